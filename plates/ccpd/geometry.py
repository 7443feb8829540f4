"""How box, corners, tilt and area of a CCPD label relate to each other, on whole columns.

Boxes are [N, 4] `xmin, ymin, xmax, ymax`; corners are [N, 4, 2] in CCPD's order: right-bottom, left-bottom, left-top,
right-top; both in pixels, y down. Angles are in degrees.

CCPD's labels follow two conventions, distinguished by their tilts (`from_upright`). The 2019 release gives degrees from
upright, draws the box through the outermost corners and cuts the area field to four decimals. The earlier release and
CCPD2020 give angles around 90, draw the box loosely (its IoU with the corners' hull is 0.68 or more) and use another
area (0.48 to 1.08 of the box's). This was measured on the 51,710 labels of the lists of `ccpd_blur`, `ccpd_db` and
`ccpd_fn` and on 417 photographs of `ccpd_base` and CCPD2020.
"""

import numpy as np
import pandas as pd

from plates.columns import BOX, CORNERS

IMAGE_WIDTH, IMAGE_HEIGHT = 720, 1160

UPRIGHT_SUM = 125
"""Degrees: the two tilts sum to less in the 2019 release (104 at most on 51,710 labels) and to more in the earlier
release and CCPD2020 (147 at least on 417 labels)."""


def hull(corners: np.ndarray) -> np.ndarray:
    """The smallest upright boxes [N, 4] around `corners`: exactly the test subsets' boxes, but not `ccpd_base`'s."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def around_corners(labels: pd.DataFrame) -> pd.DataFrame:
    """A labels table whose boxes, where there are corners, are those around them, cut at the picture's edge."""
    known = labels[CORNERS].notna().all(axis=1).to_numpy()
    sizes = np.nan_to_num(frame(labels)[known], nan=np.inf)
    tight = np.clip(hull(labels.loc[known, CORNERS].to_numpy(float).reshape(-1, 4, 2)), 0, np.tile(sizes, 2))
    changed = labels.copy()
    changed.loc[known, BOX] = tight
    return changed


def box_area(boxes: np.ndarray) -> np.ndarray:
    """Areas [N] in square pixels; 0 for an empty box."""
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union [N] of boxes taken pairwise; 0 if both are empty."""
    overlap = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    intersection = np.clip(overlap, 0, None).prod(axis=1)
    union = box_area(first) + box_area(second) - intersection
    return np.divide(intersection, union, out=np.zeros(len(union)), where=union > 0)


def frame(labels: pd.DataFrame) -> np.ndarray:
    """Width and height [N, 2] of the picture of each row of a labels table; NaN: not known.

    It is 720x1160 for CCPD's own labels, which have an area field, whatever the file's size; else the photograph's.
    """
    sizes = labels[["width", "height"]].to_numpy(np.float64, na_value=np.nan, copy=True)
    sizes[labels["area_ratio"].notna()] = IMAGE_WIDTH, IMAGE_HEIGHT
    return sizes


def beyond(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How far [N] each box extends past the edge of its picture (`sizes` [N, 2]), in pixels; negative inside."""
    return np.concatenate([-boxes[:, :2], boxes[:, 2:] - sizes], axis=1).max(axis=1)


def clip(labels: pd.DataFrame, tolerance: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Cuts boxes of a labels table that extend past the edge by at most `tolerance` pixels.

    Rounding and coordinates that count from 1 make such boxes.

    Returns:
        The table, and by how many pixels each row was cut [N]; NaN: it was not cut.
    """
    boxes, sizes = labels[BOX].to_numpy(np.float64, na_value=np.nan), frame(labels)
    over = beyond(boxes, sizes)
    hair = (over > 0) & (over <= tolerance)
    cut = labels.copy()
    cut.loc[hair, BOX] = np.clip(boxes, 0, np.tile(sizes, 2))[hair]
    return cut, np.where(hair, over, np.nan)


def near_copies(labels: pd.DataFrame, least_iou: float) -> np.ndarray:
    """Whether [N] a row's box overlaps an earlier one of its photograph and class by an IoU of `least_iou` or more.

    Boxes that overlap so much start within (1 - `least_iou`) of a width of each other: only those are compared.
    """
    copy = np.zeros(len(labels), bool)
    several = np.flatnonzero(labels.duplicated(["path", "class"], keep=False) & labels["class"].notna())
    rows = labels.iloc[several]
    boxes, group = rows[BOX].to_numpy(np.float64, na_value=np.nan), rows.groupby(["path", "class"]).ngroup().to_numpy()
    order = np.lexsort((boxes[:, 0], group))
    boxes, group, several = boxes[order], group[order], several[order]
    for step in range(1, len(order)):
        first, second = boxes[:-step], boxes[step:]
        near = (group[:-step] == group[step:]) & (
            second[:, 0] - first[:, 0] <= (1 - least_iou) * (first[:, 2] - first[:, 0])
        )
        if not near.any():
            break
        at = np.flatnonzero(near)
        at = at[iou(boxes[at], boxes[at + step]) >= least_iou]
        copy[np.maximum(several[at], several[at + step])] = True
    return copy


def corners_in_order(corners: np.ndarray) -> np.ndarray:
    """Whether [N] the four corners are where their names say: right of left, bottom under top."""
    right_bottom, left_bottom, left_top, right_top = corners.transpose(1, 0, 2)
    return (
        (right_bottom[:, 0] > left_bottom[:, 0])
        & (right_top[:, 0] > left_top[:, 0])
        & (right_bottom[:, 1] > right_top[:, 1])
        & (left_bottom[:, 1] > left_top[:, 1])
    )


def in_order(points: np.ndarray) -> np.ndarray:
    """Corners [N, 4, 2] in CCPD's order, from corners of convex quadrilaterals in any order.

    The plate's right side is the one whose middle is furthest right. This holds for plates turned by less than
    atan(width / height): 71 degrees for a plate three times as wide as high.
    """
    offset = points - points.mean(axis=1, keepdims=True)
    clockwise = np.argsort(np.arctan2(offset[..., 1], offset[..., 0]), axis=1)  # as seen: y points down
    points = np.take_along_axis(points, clockwise[..., None], axis=1)
    right_top = (points + np.roll(points, -1, axis=1))[..., 0].argmax(axis=1)
    order = (right_top[:, None] + 1 + np.arange(4)) % 4
    return np.take_along_axis(points, order[..., None], axis=1)


def edge_angles(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angle of the bottom edge from the horizontal, and of the left edge from the vertical: two arrays [N]."""
    right_bottom, left_bottom, left_top, _ = corners.transpose(1, 0, 2)
    along, down = right_bottom - left_bottom, left_bottom - left_top
    return np.degrees(np.arctan2(along[:, 1], along[:, 0])), np.degrees(np.arctan2(down[:, 0], down[:, 1]))


def tilt(corners: np.ndarray) -> np.ndarray:
    """The two tilts [N, 2] of the 2019 release: the bottom edge's angle, and how far from square the plate is."""
    horizontal, vertical = edge_angles(corners)
    return np.floor(np.abs(np.stack([horizontal, horizontal + vertical], axis=1))).astype(np.int16)


def from_upright(horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    """Whether [N] the two tilt fields are degrees from upright, as the 2019 release writes them.

    Otherwise they are angles around 90, as in `ccpd_base` and CCPD2020.
    """
    return horizontal + vertical < UPRIGHT_SUM


def tilt_gaps(corners: np.ndarray, horizontal: np.ndarray, vertical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the two tilt fields are from the corners' tilts, in degrees: two arrays [N].

    With h and v the angles of `edge_angles`, the fields are |h| and |h + v| where they are degrees from upright (the
    test subsets: within 1.6 and, for 99%, 2.7), else 90 + h and either 90 - v (`ccpd_base`: within 6 and 25) or
    270 - |v| (`ccpd_green`: within 7 and 4).
    """
    upright = from_upright(horizontal, vertical)
    along, down = edge_angles(corners)
    meant = np.where(upright, [np.abs(along + down)] * 2, [90 - down, 270 - np.abs(down)])
    return np.abs(horizontal - np.where(upright, np.abs(along), 90 + along)), np.abs(vertical - meant).min(axis=0)
