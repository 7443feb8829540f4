"""Which score to act on: the threshold of the best F1, the one that keeps a promised recall, and what each costs.

A detection is right if it has a box at IoU 0.5.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from plates.efficientdet.evaluation.matching import Matches

AT = np.uint16(1)  # the bit of IoU 0.5
POINTS = 400


@dataclass(frozen=True)
class Ranked:
    """Detections of some classes, of the highest score first, and the number of boxes to find.

    Attributes:
        scores: float64 [D].
        right: bool [D].
        boxes: to find.
        photographs: that were looked at.
    """

    scores: np.ndarray
    right: np.ndarray
    boxes: int
    photographs: int

    @classmethod
    def of(cls, matches: Matches, classes: Collection[str] | None = None) -> Ranked:
        """Of `classes`, or of all; what overlaps a crowd is left out."""
        chosen = [matched for name, matched in matches.classes.items() if classes is None or name in classes]
        counted = [(one.ignored[0] & AT) == 0 for one in chosen]
        scores = np.concatenate([one.scores[keep] for one, keep in zip(chosen, counted, strict=True)]).astype(float)
        right = np.concatenate([(one.hits[0][keep] & AT) > 0 for one, keep in zip(chosen, counted, strict=True)])
        order = np.argsort(-scores, kind="stable")
        boxes = sum(int(one.boxes[0].sum()) for one in chosen)
        return cls(scores[order], right[order], boxes, len(matches.photographs))

    def curve(self) -> pd.DataFrame:
        """score, precision, recall, f1 at up to `POINTS` thresholds, evenly from 1 to 0, that detections reach."""
        ends = np.searchsorted(-self.scores, -np.linspace(1, 0, POINTS), side="right") - 1
        ends = np.unique(ends[ends >= 0])
        found, count = np.cumsum(self.right)[ends], ends + 1
        columns = {
            "score": self.scores[ends],
            "precision": found / count,
            "recall": found / self.boxes,
            "f1": 2 * found / (count + self.boxes),
        }
        return pd.DataFrame(columns)

    def at(self, threshold: float) -> Working:
        """The result of acting on every score from `threshold` up."""
        count = int(np.searchsorted(-self.scores, -threshold, side="right"))
        found = int(self.right[:count].sum())
        return Working(found, count - found, self.boxes, self.photographs)


@dataclass(frozen=True)
class Working:
    """A detector at a threshold: boxes found, false alarms, boxes to find, photographs looked at."""

    found: int
    false_alarms: int
    boxes: int
    photographs: int

    @property
    def recall(self) -> float | None:
        return self.found / self.boxes if self.boxes else None

    @property
    def precision(self) -> float | None:
        count = self.found + self.false_alarms
        return self.found / count if count else None

    @property
    def f1(self) -> float | None:
        count = self.found + self.false_alarms + self.boxes
        return 2 * self.found / count if count else None

    @property
    def false_alarms_per_100(self) -> float:
        """In 100 photographs."""
        return 100 * self.false_alarms / self.photographs


@dataclass(frozen=True)
class Promise:
    """A threshold that keeps a recall; `threshold` is None if none can be promised, and `why` says so."""

    threshold: float | None
    why: str


def best_f1(ranked: Ranked) -> float | None:
    """The threshold of the best F1, the highest of several, just under a score; None if nothing is right."""
    if not ranked.right.any():
        return None
    found = np.cumsum(ranked.right)
    f1 = 2 * found / (np.arange(1, len(found) + 1) + ranked.boxes)
    last_of_score = np.append(ranked.scores[1:] != ranked.scores[:-1], True)
    return _just_under(ranked.scores[np.argmax(np.where(last_of_score, f1, -1))])


def promise(ranked: Ranked, recall: float, confidence: float) -> Promise:
    """The highest threshold at which the recall on photographs like these is at least `recall`, with `confidence`.

    Exact for any distribution of scores: of n boxes as many may be missed, m, as make a miss rate over 1 - `recall`
    implausible (Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934); the threshold is
    just under the score of the box that is found with the next-lowest score. Boxes count as independent of each other,
    and the photographs that are met later as of the same kind.
    """
    needed = int(np.ceil(np.log1p(-confidence) / np.log(recall))) if recall < 1 else None
    asked = f"a recall of {recall:g} with {confidence:.0%} confidence"
    if needed is None or ranked.boxes < needed:
        most = f"{np.floor(1000 * (1 - confidence) ** (1 / ranked.boxes)) / 1000:.3f}" if ranked.boxes else "nothing"
        return Promise(
            None,
            f"{ranked.boxes:,} boxes on val cannot promise {asked}, even if all are found: "
            + (f"that takes {needed:,}. " if needed else "no number can. ")
            + f"The most that they can promise is {most}: evaluation.promise.recall",
        )
    misses = int(stats.binom.ppf(1 - confidence, ranked.boxes, 1 - recall))
    if stats.binom.cdf(misses, ranked.boxes, 1 - recall) > 1 - confidence:
        misses -= 1
    missed = ranked.boxes - int(ranked.right.sum())
    if missed > misses:
        return Promise(
            None,
            f"{missed:,} of {ranked.boxes:,} boxes on val are found at no score, but {asked} allows {misses:,} misses: "
            "train longer, or promise less (evaluation.promise)",
        )
    found = ranked.scores[ranked.right]
    said = f"{misses:,} of {ranked.boxes:,} boxes on val are missed"
    return Promise(_just_under(found[ranked.boxes - misses - 1]), said)


def _just_under(score: float) -> float:
    """The threshold that keeps a score: NMS, here and in exported files, keeps what is over it (float32)."""
    return float(np.nextafter(np.float32(score), np.float32(0)))
