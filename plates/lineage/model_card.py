"""The model card: what the model is for, what made it, and how well it does."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from plates.lineage.record import Record


def render(record: Record, counts: Mapping[str, Any]) -> str:
    """The card as Markdown.

    `counts` says what the data was: `images`, `boxes`, `rejected`, `unparsed`, and `splits`, which maps train, val and
    test to their number of images.
    """
    environment = Environment(
        loader=PackageLoader("plates.lineage", "."), undefined=StrictUndefined, trim_blocks=True, autoescape=False
    )
    return environment.get_template("model_card.md.j2").render(
        record=record, metrics=record.metrics, params=record.params, counts=counts
    )
