"""`plates experiments`: the results of all experiments."""

from typing import Any

from pipelines.cli.app import app, note, print_columns
from plates.metrics import METRICS
from plates.settings.project import Project

FEWER = ("made", "ccpd_score", "mAP75", "corner_error_px", "corner_iou", "mAP50")
"""Columns to leave out in a narrow terminal, before settings."""


@app.command()
def experiments() -> None:
    """List DVC's experiments, the best first: scores, and the settings that differ."""
    from pipelines.experiments import rows

    found = rows(Project.find().root)
    left_out = print_columns(
        {heading: [_cell(heading, row[heading]) for row in found] for heading in found[0]},
        (*FEWER, *(heading for heading in found[0] if heading not in ("experiment", "mAP", *FEWER))),
    )
    if left_out:
        note(f"too narrow for {', '.join(left_out)}: plates experiments | less -S")
    if len(found) == 1:
        note("there is no experiment yet: plates tune, or dvc exp run --temp -S KEY=VALUE")


def _cell(heading: str, value: Any) -> str:
    if value is None:
        return ""
    if heading in METRICS:
        return f"{value:.3f}"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)  # DVC makes all floats
