"""Detections compared with the truth, ready to be counted on any of the photographs and on any draw of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plates.ccpd.score import THRESHOLD, best_boxes
from plates.columns import CORNERS
from plates.efficientdet.evaluation.bootstrap import Draws
from plates.efficientdet.evaluation.matching import NONE, Matches, match
from plates.scoring import corners
from plates.scoring.truth import real

FIGURES = ("mAP", "mAP50", "mAP75", "AR", "ccpd_score")
"""Of every detector; one that finds corners has `corner_iou` too."""

NO_FIT = pd.DataFrame({"iou": [], "error": []}, dtype=float)


@dataclass(frozen=True)
class Tally:
    """What was counted.

    Attributes:
        matches: of all photographs.
        best: `plates.ccpd.score.best_boxes`, a row per photograph with a plate, with its `image_id`.
        corners: a row per plate with labelled corners: image_id, `iou` (0 if it was missed) and `error` (null if it was
            missed) of `plates.scoring.corners.fit`; None if the detector finds no corners.
    """

    matches: Matches
    best: pd.DataFrame
    corners: pd.DataFrame | None = None

    @classmethod
    def of(
        cls,
        detections: Iterable[pd.DataFrame],
        truth: pd.DataFrame,
        label_map: Mapping[int, str],
        max_detections: int,
        finds_corners: bool | None = None,
    ) -> Tally:
        """Reads the detections once.

        Args:
            detections: tables as `plates.scoring.detections.parts` gives them.
            truth: a table of `plates.scoring.truth`.
            label_map: class id to name.
            max_detections: of each photograph and class so many count.
            finds_corners: whether the detector does; None: if any detection has them.
        """
        best, fits = [NONE], []
        plates = corners.labelled(real(truth), label_map) if finds_corners is not False else None

        def read() -> Iterator[pd.DataFrame]:
            for table in detections:
                ranked = table.sort_values("score", ascending=False, kind="stable")
                best.append(ranked.drop_duplicates("image_id")[NONE.columns])
                if plates is not None and CORNERS[0] in table and table[CORNERS[0]].notna().any():
                    fits.append(corners.fit(plates, table, max_detections))
                yield table

        matches = match(read(), truth, label_map, max_detections)
        ids = truth[["image_id", "path"]].drop_duplicates()
        found = best_boxes(real(truth), pd.concat(best).merge(ids, on="image_id"))
        fitted = None
        if plates is not None and (finds_corners or fits):
            fitted = plates[["image_id"]].join(pd.concat([NO_FIT, *fits])).fillna({"iou": 0.0})
        return cls(matches, found.merge(ids, on="path"), fitted)

    def draws(self, draws: Draws, keep: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The figures on the photographs that `keep` names and in each draw of them.

        Args:
            draws: of all photographs.
            keep: bool [P], by ascending image id; None: all of them.

        Returns:
            float64 [1 + N] by figure, `FIGURES` and, if there are corners to score, `corner_iou`; NaN if there is
            nothing to score.
        """
        matches = self.matches if keep is None else self.matches.only(keep)
        figures = {**draws.figures(matches), "ccpd_score": draws.share(*self._ccpd(keep))}
        if self.corners is not None and len(self.corners):
            figures["corner_iou"] = draws.share(*self._corners(self.corners, keep))
        return figures

    def _ccpd(self, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Which photographs [P] are right, and which count: those with a plate, in several subsets once."""
        at = np.searchsorted(self.matches.photographs, self.best["image_id"].to_numpy())
        kept = self.best.assign(at=at)
        kept = (kept if keep is None else kept[keep[at]]).drop_duplicates("photograph")
        right, once = np.zeros((2, len(self.matches.photographs)), bool)
        once[kept["at"]] = True
        right[kept["at"]] = kept["iou"] > THRESHOLD
        return right, once

    def _corners(self, fitted: pd.DataFrame, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The sum of the IoUs of each photograph [P], and how many plates that is of."""
        count = len(self.matches.photographs)
        at = np.searchsorted(self.matches.photographs, fitted["image_id"].to_numpy())
        sums, plates = np.bincount(at, fitted["iou"], count), np.bincount(at, minlength=count)
        return (sums, plates) if keep is None else (sums * keep, plates * keep)


def known(values: np.ndarray) -> float | None:
    """The figure of `Tally.draws` itself; None if there is nothing to score."""
    return None if np.isnan(values[0]) else float(values[0])


def groups(truth: pd.DataFrame) -> np.ndarray:
    """What each photograph is drawn with, by ascending image id: those of one plate together."""
    rows = truth.sort_values("image_id", kind="stable").drop_duplicates("image_id")
    return rows["plate"].where(rows["plate"].notna(), rows["path"]).to_numpy(str)
