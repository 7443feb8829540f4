"""The figure of every evaluation over the records, with what changed from one to the next."""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from plates.lineage.record import Record
from plates.pages import plots, sheets

RAW = "data/raw_images.parquet"
BLUE, AMBER = plots.COLOURS[:2]
NAMED = 30
"""Records up to which each is named under its point."""


def figure(found: Sequence[Record], champions: Collection[str], metric: str = "mAP", width: float = 10) -> Any:
    """One point a record, oldest first, with its 95% interval; None if none has the figure.

    A grey ground marks every other version of the photographs, a star the records that were put in service. In an SVG a
    point is a link to `#ID`.

    Args:
        found: the records, oldest first.
        champions: ids of those that were put in service.
        metric: the figure.
        width: inches.
    """
    known = [record for record in found if record.metrics.get(metric) is not None]
    if not known:
        return None
    drawn, (axis,) = plots.panels(f"{metric} over the records", width, 3.4)
    values = [record.metrics[metric] for record in known]
    axis.plot(values, color=BLUE, linewidth=1)
    for place, record in enumerate(known):
        if between := record.metrics.get("intervals", {}).get(metric):
            axis.vlines(place, *between, color=BLUE, alpha=0.4)
    for served, marker, colour, size in ((False, "o", BLUE, 28), (True, "*", AMBER, 120)):
        places = [place for place, record in enumerate(known) if (record.id in champions) == served]
        said = "was put in service" if served else None
        points = axis.scatter(
            places, [values[place] for place in places], marker=marker, color=colour, s=size, zorder=3, label=said
        )
        points.set_urls([f"#{known[place].short}" for place in places])
        if served and places:
            axis.legend(frameon=False, fontsize=8)
    _grounds(axis, known)
    if len(known) <= NAMED:
        axis.set_xticks(range(len(known)), [record.short for record in known], rotation=45, ha="right", fontsize=8)
    axis.set(ylabel=metric, xlim=(-0.5, len(known) - 0.5))
    axis.grid(color=plots.GRID, axis="y")
    return drawn


def markdown(found: Sequence[Record], champions: Collection[str]) -> str:
    """The same as a small picture for Dagster's UI."""
    with plots.text_as_pixels():
        drawn = figure(found, champions, width=7)
        return sheets.markdown_plot(plots.picture(drawn, "mAP over the records")) if drawn else "no record has an mAP"


def _grounds(axis: Any, known: Sequence[Record]) -> None:
    start = 0
    for number, (_, of_version) in enumerate(groupby(known, lambda record: record.outputs.get(RAW))):
        end = start + len(list(of_version))
        if number % 2:
            axis.axvspan(start - 0.5, end - 0.5, color="#808080", alpha=0.15, linewidth=0)
        start = end
