"""Two detectors on the same photographs: what the second gains over the first, overall and slice by slice."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from plates.efficientdet.evaluation.bootstrap import DRAWS, Draws
from plates.errors import UserError
from plates.scoring.by_slice import paired
from plates.scoring.slices import slices
from plates.scoring.tally import Tally, groups
from plates.scoring.truth import real


def compare(
    first: Iterable[pd.DataFrame],
    second: Iterable[pd.DataFrame],
    truth: pd.DataFrame,
    label_map: Mapping[int, str],
    image_size: Sequence[int],
    max_detections: int,
    draws: int = DRAWS,
    fewest: int = 1,
) -> pd.DataFrame:
    """The table of `plates.scoring.by_slice.paired`, the draws taken plate by plate.

    Args:
        first: detections on the photographs of `truth`, as `plates.scoring.detections.parts` gives them.
        second: the same of the other detector.
        truth: a table of `plates.scoring.truth`.
        label_map: class id to name of both.
        image_size: (height, width) of the network's input, for the slices by plate height.
        max_detections: of each photograph and class so many count.
        draws: of the bootstrap.
        fewest: plates; slices with fewer are left out.

    Raises:
        UserError: there is nothing to score.
    """
    if truth["class"].notna().sum() == 0:
        raise UserError(f"none of the {truth['path'].nunique():,} photographs has a plate to compare on")
    old, new = (Tally.of(tables, truth, label_map, max_detections) for tables in (first, second))
    plates = real(truth)
    return paired(old, new, slices(plates, image_size), Draws.of(groups(plates), draws), fewest)
