"""Both reports of a finished project in a real browser: on a phone and on a screen, by day and by night."""

import re

import pytest

pytestmark = pytest.mark.long

REPORTS = ("dataset_card", "evaluation")


def luminance(colour: str) -> float:
    """Relative luminance of a CSS colour `rgb(r, g, b)` (WCAG 2, section 1.4.3)."""
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("report", REPORTS)
def test_a_report_fits_its_window_and_can_be_read(browser, finished, report, width, scheme) -> None:
    root, _ = finished
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((root / f"reports/{report}.html").as_uri())

    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    text, ground = page.evaluate("(style => [style.color, style.backgroundColor])(getComputedStyle(document.body))")
    assert (luminance(ground) < 0.1) == (scheme == "dark")
    lighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) > 7
    axis = page.locator(".plots svg text").first
    assert axis.evaluate("text => getComputedStyle(text).fill") == text
    page.close()
