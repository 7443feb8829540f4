"""How far boxes and corners of labels disagree, and the boxes around the corners."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plates.ccpd.geometry import around_corners
from plates.ccpd.table import parse_labels
from plates.columns import BOX, CORNERS
from plates.photographs.scan import scan
from plates.scoring.label_noise import label_noise


def labels(*boxes: tuple[float, float, float, float]) -> pd.DataFrame:
    """Labels whose corners are those of a box of 100 x 40 px; the last row has neither."""
    rows = pd.DataFrame([*boxes, (np.nan,) * 4], columns=BOX)
    rows[CORNERS] = [110.0, 50.0, 10.0, 50.0, 10.0, 10.0, 110.0, 10.0]
    rows.loc[len(boxes), CORNERS] = np.nan
    return rows.assign(width=720, height=1160, area_ratio=np.nan)


def test_the_share_of_boxes_over_each_iou_is_the_ceiling() -> None:
    """IoUs of 1 and of 0.72 (100 x 40 in 125 x 44.4): over ten of the ten thresholds, and over five."""
    noise = label_noise(labels((10, 10, 110, 50), (10, 10, 135, 54.4)))
    assert noise is not None
    assert (noise.boxes, noise.ceiling) == (2, pytest.approx((10 + 5) / 20))
    assert noise.median_iou == pytest.approx(0.86, abs=0.005)
    assert "an mAP of 0.750 (median IoU 0.86 on 2 plates)" in noise.sentence


def test_labels_without_corners_have_none() -> None:
    assert label_noise(labels().assign(xmin=1.0)) is None


def test_boxes_around_the_corners_leave_what_has_none_and_stay_inside() -> None:
    loose = labels((0, 0, 200, 100), (0, 0, 200, 100))
    loose.loc[1, ["rb_x", "rt_x"]] = 730.0
    tight = around_corners(loose)
    assert tight.loc[0, BOX].tolist() == [10, 10, 110, 50]
    assert tight.loc[1, BOX].tolist() == [10, 10, 720, 50]
    assert tight.loc[2, BOX].isna().all()
    noise = label_noise(tight.iloc[:1])
    assert noise is not None
    assert noise.ceiling == 1


@pytest.mark.real
def test_the_ceiling_of_the_real_photographs(shared: Path, tmp_path: Path) -> None:
    """0.776, as was measured apart from this code."""
    images = scan(shared / "ccpd" / "CCPD2019" / "ccpd_base", tmp_path / "scan.parquet").table
    noise = label_noise(parse_labels(images, "plate")[0].to_pandas())
    assert noise is not None
    assert noise.boxes == 415
    assert noise.ceiling == pytest.approx(0.776, abs=5e-4)
    assert noise.median_iou == pytest.approx(0.87, abs=0.005)
