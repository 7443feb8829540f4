"""The timeline as a page: the figure of every record, and under it what changed from one to the next."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from pipelines.lineage.diff import changes
from plates.lineage import champion
from plates.lineage import record as records
from plates.lineage.differences import short
from plates.lineage.timeline import figure
from plates.pages import page, plots


def write(file: Path, root: Path, say: Callable[[int, int], None]) -> int:
    """Writes the page; returns how many records are on it.

    Args:
        file: the page, HTML.
        root: the project's folder.
        say: takes the number of records compared so far and their total.
    """
    found = records.read_all(root)
    served = {verdict.challenger for verdict in champion.decisions(root) if verdict.promoted}
    with plots.text_as_svg():
        drawn = figure(found, served)
        svg = plots.svg(drawn) if drawn else None
    rows = [{"record": record, "served": record.id in served, "short": "", "sections": []} for record in found]
    for place, (before, after) in enumerate(pairwise(found), 1):
        rows[place] |= {"short": short(before, after), "sections": changes(root, before, after)}
        say(place, len(found) - 1)
    page.write(file, "pipelines.lineage", "timeline.html.j2", plot=svg, rows=rows)
    return len(found)
