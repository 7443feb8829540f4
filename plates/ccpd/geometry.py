"""What box, corners, tilt and area of a CCPD label say about each other, on whole columns.

Boxes are [N, 4] `xmin, ymin, xmax, ymax`; corners are [N, 4, 2] in CCPD's order: right-bottom, left-bottom, left-top,
right-top; both in pixels, y down. Angles are in degrees. The conventions were found on the 51,710 labels of the
lists of `ccpd_blur`, `ccpd_db` and `ccpd_fn` and on 415 photographs of `ccpd_base`.
"""

import numpy as np

IMAGE_WIDTH, IMAGE_HEIGHT = 720, 1160


def hull(corners: np.ndarray) -> np.ndarray:
    """The smallest upright boxes [N, 4] around `corners`. The test subsets' boxes are exactly these, `ccpd_base`'s
    are not.
    """
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def box_area(boxes: np.ndarray) -> np.ndarray:
    """Areas [N] in square pixels; 0 where a box has no inside."""
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union [N] of boxes taken pairwise; 0 where both are empty."""
    overlap = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    intersection = np.clip(overlap, 0, None).prod(axis=1)
    union = box_area(first) + box_area(second) - intersection
    return np.divide(intersection, union, out=np.zeros(len(union)), where=union > 0)


def corners_in_order(corners: np.ndarray) -> np.ndarray:
    """Whether [N] the four corners stand where their names say: right of left, bottom under top."""
    right_bottom, left_bottom, left_top, right_top = corners.transpose(1, 0, 2)
    return (
        (right_bottom[:, 0] > left_bottom[:, 0])
        & (right_top[:, 0] > left_top[:, 0])
        & (right_bottom[:, 1] > right_top[:, 1])
        & (left_bottom[:, 1] > left_top[:, 1])
    )


def edge_angles(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angle of the bottom edge from the horizontal, and of the left edge from the vertical: two arrays [N]."""
    right_bottom, left_bottom, left_top, _ = corners.transpose(1, 0, 2)
    along, down = right_bottom - left_bottom, left_bottom - left_top
    return np.degrees(np.arctan2(along[:, 1], along[:, 0])), np.degrees(np.arctan2(down[:, 0], down[:, 1]))


def tilt(corners: np.ndarray) -> np.ndarray:
    """The two tilts [N, 2] as the test subsets write them: the bottom edge's angle, and how far from square the
    plate is.
    """
    horizontal, vertical = edge_angles(corners)
    return np.floor(np.abs(np.stack([horizontal, horizontal + vertical], axis=1))).astype(np.int16)


def tilt_error(corners: np.ndarray, horizontal: np.ndarray, vertical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the two tilt fields are from the corners, in degrees: two arrays [N].

    Each is measured in the convention that fits best, since subsets differ: `|h|, |h + v|` (the test subsets;
    within 1.6 and, for 99%, 2.7), `90 + h, 90 - v` (`ccpd_base`; within 6 and 25), `90 + h, 270 - |v|`
    (`ccpd_green`; within 7 and 4).
    """
    along, down = edge_angles(corners)
    first = np.minimum(np.abs(horizontal - np.abs(along)), np.abs(horizontal - 90 - along))
    conventions = (np.abs(along + down), 90 - down, 270 - np.abs(down))
    return first, np.min([np.abs(vertical - angle) for angle in conventions], axis=0)


def area_ratio(boxes: np.ndarray, width: float = IMAGE_WIDTH, height: float = IMAGE_HEIGHT) -> np.ndarray:
    """Area of each box over the image's, [N]. The area field is 0.95 to 1 of it in the test subsets, 0.48 to 1.08
    in base.
    """
    return box_area(boxes) / (width * height)
