"""The model card: what the model is for, what made it, and how well it does."""

from collections.abc import Mapping
from typing import Any

from plates.lineage.record import Record
from plates.pages import page


def render(record: Record, counts: Mapping[str, Any], exported: Mapping[str, Mapping[str, float | None]]) -> str:
    """The card as Markdown.

    `counts` says what the data was: `images`, `boxes`, `rejected`, `unparsed`, and `splits`, which maps train, val and
    test to their number of images. `exported` says by format what its files take: figures by name, None if not known.
    """
    return page.render(
        "plates.lineage",
        "model_card.md.j2",
        record=record,
        metrics=record.metrics,
        params=record.params,
        counts=counts,
        exported=exported,
    )
