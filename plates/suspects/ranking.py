"""Which labels are likely wrong: those that two trainings that did not see them both contradict.

One training's box is too uncertain to judge a label by: of two hundred right labels, a few are off by more than the
faults looked for. Two trainings seldom err in the same way. (Confident learning, Northcutt et al. 2021, counts
classes; here boxes are compared.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from plates.ccpd.geometry import iou as pairwise_iou
from plates.columns import BOX

MISSED, MOVED, SWAPPED = "missed", "moved", "swapped"
KINDS = {
    MISSED: "a plate is found where nothing is labelled",
    MOVED: "both edges of the box are off to the same side",
    SWAPPED: "nothing is found in the labelled box, but a plate is found elsewhere",
}
FOUND = [f"found_{edge}" for edge in BOX]
COLUMNS = ["image_id", "path", "kind", "doubt", *BOX, *FOUND]

LISTED = 0.5
"""The doubt from which a label is a suspect."""
AGREE = 0.5
"""IoU from which on two trainings have found the same thing."""
APART = 0.5
"""IoU under which a label and a plate that is found have nothing to do with each other."""
CERTAIN = 0.12
"""Share of its width or height by which a box is off that has a doubt of 1."""


def suspects(truth: pd.DataFrame, found: pd.DataFrame, decided: Sequence[str] = ()) -> pd.DataFrame:
    """The labels with a doubt of `LISTED` or more, the largest first.

    Args:
        truth: a table of `plates.scoring.truth`.
        found: of `plates.suspects.folds.out_of_fold`: each photograph was looked at by two trainings.
        decided: paths of photographs that people decided about.

    Returns:
        `COLUMNS`: a kind of `KINDS`, its doubt (0 to 1), the labelled box (null if there is none) and the plate that
        both trainings find, in pixels of the photograph.
    """
    rows = truth[~truth["path"].isin(list(decided))]
    labels = {name: group[BOX].to_numpy(float) for name, group in rows.dropna(subset="class").groupby("image_id")}
    paths = rows.drop_duplicates("image_id").set_index("image_id")["path"]
    seen: dict[int, dict[int, tuple[np.ndarray, np.ndarray]]] = {}
    for (image, training), group in found.groupby(["image_id", "training"]):
        seen.setdefault(image, {})[training] = group[BOX].to_numpy(float), group["score"].to_numpy(float)
    nothing = np.zeros((0, 4))
    listed = [
        (image, path, *one)
        for image, path in paths.items()
        if len(judges := list(seen.get(image, {}).values())) == 2
        for one in _of_photograph(labels.get(image, nothing), *judges)
        if one[1] >= LISTED
    ]
    table = pd.DataFrame(listed, columns=["image_id", "path", "kind", "doubt", "label", "plate"])
    for names, column in ((BOX, "label"), (FOUND, "plate")):
        table[names] = np.stack(table[column]) if len(table) else np.zeros((0, 4))
    return table[COLUMNS].sort_values("doubt", ascending=False, kind="stable", ignore_index=True)


NONE = pd.DataFrame({name: pd.Series(dtype="str" if name in ("path", "kind") else float) for name in COLUMNS})
"""No suspects."""

Judge = tuple[np.ndarray, np.ndarray]
"""Boxes [N, 4] and scores [N] that a training gives a photograph."""


def _of_photograph(
    labels: np.ndarray, first: Judge, second: Judge
) -> Iterator[tuple[str, float, np.ndarray, np.ndarray]]:
    """Kind, doubt, labelled box (NaN: none) and found box of what is doubtful in one photograph."""
    pairs, scores = _agreed(first, second)
    plates = pairs.mean(axis=0)
    certain = scores * pairwise_iou(*pairs)  # of a false alarm, two trainings seldom see the same edges
    overlap = iou(labels, plates)
    free = [place for place in range(len(plates)) if not (overlap[:, place] >= APART).any()]
    for label, overlaps in zip(labels, overlap, strict=True):
        near = np.flatnonzero(overlaps >= APART)
        if len(near):
            best = near[0]  # not the closest: beside each plate lie poor copies of its box
            off = displaced(label, pairs[:, best]) * np.sqrt(scores[best])
            yield MOVED, min(1.0, off / CERTAIN), label, plates[best]
        elif free:
            place = free.pop(0)
            yield SWAPPED, certain[place], label, plates[place]
    for place in free:
        yield MISSED, certain[place], np.full(4, np.nan), plates[place]


def _agreed(first: Judge, second: Judge) -> tuple[np.ndarray, np.ndarray]:
    """The boxes [2, M, 4] that both have found, and the geometric mean of their scores [M], the highest first."""
    overlap = iou(first[0], second[0])
    scores = np.sqrt(first[1][:, None] * second[1][None])
    taken: list[tuple[int, int]] = []
    for place in np.argsort(-scores, axis=None, kind="stable"):
        one, two = divmod(int(place), max(scores.shape[1], 1))
        if overlap[one, two] >= AGREE and all(one != known[0] and two != known[1] for known in taken):
            taken.append((one, two))
    one, two = np.array(taken, int).reshape(-1, 2).T
    return np.stack([first[0][one], second[0][two]]), scores[one, two]


def displaced(label: np.ndarray, boxes: np.ndarray) -> float:
    """How far a labelled box [4] is from all of `boxes` [N, 4], as a share of its width or height.

    Counted is what both edges have in common, left and right or top and bottom: a box that is moved is off by as much
    at both, one that ends too early at one of them, which detectors do on long plates.
    """
    size = np.tile(label[2:] - label[:2], 2)
    edges = ((boxes - label) / size).reshape(len(boxes), 2, 2)  # box, low or high edge, x or y
    same = (np.sign(edges) == np.sign(edges[:1, :1])).all(axis=(0, 1))
    return float(np.where(same, np.abs(edges).min(axis=(0, 1)), 0.0).max())


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU [N, M] of boxes [N, 4] with boxes [M, 4]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)
