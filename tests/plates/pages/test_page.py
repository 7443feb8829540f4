"""Both reports in a real browser: narrow, wide, light and dark."""

import jinja2
import pytest

from plates.pages.page import render


def test_a_missing_value_is_an_error_and_html_is_escaped() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("plates.pages", "base.html.j2")
    assert "<title>a &lt; b</title>" in render("plates.pages", "base.html.j2", title="a < b")
