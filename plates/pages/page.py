"""Pages from templates: HTML in one style, and Markdown."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from plates.files import atomic


def render(package: str, template: str, **values: Any) -> str:
    """A page from a template in a package.

    A template of HTML starts with `{% extends base %}`, which brings the style, and may have
    `{% from macros import tiles, pictures %}`.

    Args:
        package: where the template is.
        template: its file, `NAME.html.j2` (values are escaped) or `NAME.md.j2` (they are not).
        values: what the template names; one that is missing raises `jinja2.UndefinedError`.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("plates.pages", ".")]),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.globals |= {"base": "base.html.j2", "macros": "macros.html.j2"}
    return environment.get_template(template).render(**values)


def write(path: Path, package: str, template: str, **values: Any) -> None:
    """Writes a page (`render`), whole or not at all."""
    page = render(package, template, **values)
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
