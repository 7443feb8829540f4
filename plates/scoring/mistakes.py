"""The kinds of errors that an evaluation finds, of the photographs that are scored."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from plates.efficientdet.evaluation.errors import confusion, errors
from plates.scoring.detections import sample

MOST = 20_000  # photographs, which take hotcoco 1 GB


def mistakes(
    file: Path, truth: pd.DataFrame, label_map: Mapping[int, str], max_detections: int, threshold: float
) -> dict[str, Any]:
    """Errors by kind, and the confusion of classes if there are several.

    Args:
        file: of `plates.scoring.detections`.
        truth: of the same split.
        label_map: class id to name.
        max_detections: of each photograph and class so many count.
        threshold: the score from which on errors are counted.

    Returns:
        Ready for JSON: `photographs` that were looked at (a seeded sample of `MOST` if there are more), `threshold`,
        `kinds` (of `errors.Error`), and `confusion`, truth to detection to count, or None.
    """
    found, expected = sample(file, truth, MOST)
    tables = (found, expected, label_map, max_detections, threshold)
    several = len(label_map) > 1
    return {
        "photographs": int(expected["image_id"].nunique()),
        "threshold": threshold,
        "kinds": [asdict(error) for error in errors(*tables)],
        "confusion": confusion(*tables).to_dict(orient="index") if several else None,
    }
