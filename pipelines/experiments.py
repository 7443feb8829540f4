"""The results of every DVC experiment and of the working folder: scores, and the settings that differ."""

from pathlib import Path
from typing import Any

from plates.errors import UserError
from plates.metrics import METRICS
from plates.settings.params import knobs

HERE = "here"


def rows(root: Path) -> list[dict[str, Any]]:
    """The working folder, then every experiment of the project, whatever commit it started from, the best first.

    Returns:
        `experiment`, `made`, the scores, and those settings that are not the same in all.
    """
    import dvc.api
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(str(root)) as repo:
            begun_from = list(repo.experiments.ls(all_commits=True))
    except SCMError:
        raise UserError(
            f"experiments are commits, and {root} is not a Git repository. Make it one: git init; git add --all; "
            "git commit -m start"
        ) from None
    found = dvc.api.exp_show(repo=str(root), revs=begun_from or None)
    here = next(row for row in found if row["rev"] == "workspace")
    kept = {row["Experiment"]: row for row in found if row["Experiment"]}
    best_first = sorted(kept.values(), key=lambda row: -max(row.get(name) or 0.0 for name in ("mAP", "mask_iou")))
    chosen = [here, *best_first]
    names = [name for name in METRICS if any(row.get(name) is not None for row in chosen)]
    differ = [key for key, _ in knobs() if len({str(row.get(key)) for row in chosen}) > 1]
    return [
        {"experiment": row["Experiment"] or HERE, "made": row["Created"] or ""}
        | {key: row.get(key) for key in (*names, *differ)}
        for row in chosen
    ]
