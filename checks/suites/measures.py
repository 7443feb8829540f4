"""What the annotation suites check, measured for every row at once.

A measure is null where its question makes no sense: no box, no corners, an image that did not decode, a box without
area. Great Expectations passes nulls, so a fault breaks the expectation it belongs to and not the ones that follow
from it.

CCPD's labels follow two conventions (`plates.ccpd.geometry`): each label is measured by its own.
"""

import numpy as np
import pandas as pd

from plates.ccpd.geometry import beyond, corners_in_order, frame, from_upright, hull, iou, near_copies, tilt_gaps
from plates.ccpd.table import SIZE_DIFFERS
from plates.columns import BOX, CORNERS
from plates.photographs.header import NOT_JPEG, TURNED

LABEL = ["class", *BOX, *CORNERS, "plate"]

SAME_OBJECT = 0.9
"""IoU from which two boxes of one class in a photograph count as one object labelled twice."""


def measure(labels: pd.DataFrame, shared: pd.DataFrame | None = None) -> pd.DataFrame:
    """Measures the labels table (contract columns); one row for each of its rows, on an index from 0.

    Args:
        labels: the table, or a part of it with all rows of its photographs.
        shared: `sharing` of the whole table, or of those of its photographs that share something; None: of `labels`.
    """
    labels = labels.reset_index(drop=True)
    shared = sharing(labels) if shared is None else shared
    return pd.concat([geometry(labels), characters(labels), identity(labels, shared)], axis=1)


def geometry(labels: pd.DataFrame) -> pd.DataFrame:
    """Box and corners: pixels, degrees and fractions, float64; null where the question makes no sense.

    A CCPD label is compared with the image size it is meant for, 720x1160; any other with the image as it is.
    """
    box, corners = _floats(labels, BOX), _floats(labels, CORNERS)
    incomplete = (~np.isfinite(box)).sum(1) + (~np.isfinite(corners)).sum(1) % 8
    box[~np.isfinite(box)], corners[~np.isfinite(corners)] = np.nan, np.nan
    shortest = np.minimum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    box[~(shortest > 0)] = np.nan
    sizes, area_field = frame(labels), _floats(labels, ["area_ratio"])[:, 0]
    tilt, tilt_vertical = _floats(labels, ["tilt_horizontal", "tilt_vertical"]).T
    sides = box[:, 2:] - box[:, :2]

    corners = corners.reshape(-1, 4, 2)
    hulls = hull(corners)
    outside = np.concatenate([box[:, :2] - hulls[:, :2], hulls[:, 2:] - box[:, 2:]], axis=1)
    known = np.isfinite(outside).all(1)
    upright = from_upright(tilt, tilt_vertical)
    exact, loose = known & upright, known & ~upright
    areas = np.stack([sides.prod(1), (hulls[:, 2:] - hulls[:, :2]).prod(1)]) / sizes.prod(1)
    turn = _smallest_turn(corners)
    tilt_gap, vertical_gap = tilt_gaps(corners, tilt, tilt_vertical)
    gap = np.maximum(areas.min(0) - area_field, area_field - areas.max(0))
    return pd.DataFrame(
        {
            "missing_coordinates": np.where(labels["class"].notna(), incomplete, np.nan),
            "shortest_side_px": shortest,
            "side_px": sides.min(1),
            "outside_image_px": beyond(box, sizes),
            "aspect": sides[:, 0] / sides[:, 1],
            "share_of_image": areas[0],
            "corner_turn_deg": turn,
            "corners_outside_px": np.where(exact, outside.max(1), np.nan),
            "hull_slack_px": np.where(exact, (-outside).max(1), np.nan),
            "hull_iou": np.where(loose, iou(box, hulls), np.nan),
            "area_field_gap": np.where(exact, gap, np.nan),
            "area_field_to_box": np.where(loose, area_field / areas[0], np.nan),
            "tilt_gap_deg": np.where(turn > 0, tilt_gap, np.nan),
            "vertical_tilt_gap_deg": np.where(turn > 0, vertical_gap, np.nan),
        }
    )


def _floats(labels: pd.DataFrame, columns: list[str]) -> np.ndarray:
    return labels[columns].to_numpy(np.float64, na_value=np.nan, copy=True)


def _smallest_turn(corners: np.ndarray) -> np.ndarray:
    """The smallest clockwise turn along rb, lb, lt, rt [N], degrees.

    Positive where the four go round a convex plate; -180 where a corner is not where its name says.
    """
    edges = np.roll(corners, -1, axis=1) - corners
    angles = np.degrees(np.arctan2(edges[..., 1], edges[..., 0]))
    turns = (np.roll(angles, -1, axis=1) - angles + 180) % 360 - 180
    placed = np.where(corners_in_order(corners), turns.min(axis=1), -180.0)
    return np.where(np.isfinite(corners).all(axis=(1, 2)), placed, np.nan)


def characters(labels: pd.DataFrame) -> pd.DataFrame:
    """The plate's characters and the picture's size as the label implies it."""
    length = labels["plate"].str.len().astype("float64")
    turned, foreign, resized = (_begins(labels["problem"], kind) for kind in (TURNED, NOT_JPEG, SIZE_DIFFERS))
    pixels = labels["width"].astype("float64") * labels["height"].astype("float64")
    size = labels["width"].astype("Int64").astype("string") + "x" + labels["height"].astype("Int64").astype("string")
    return pd.DataFrame(
        {
            "subset": labels["subset"],
            "problem": labels["problem"].mask(turned | foreign | resized),
            "orientation": labels["problem"].where(turned),
            "other_kind": labels["problem"].where(foreign).str.removeprefix(NOT_JPEG),
            "other_size": labels["problem"].where(resized).str.removeprefix(SIZE_DIFFERS),
            "megapixels": pixels / 1e6,
            "image_size": size.where(labels["area_ratio"].notna()).astype("str"),
            "plate": labels["plate"],
            "blue_plate": labels["plate"].where(labels["plate_type"] == "blue"),
            "green_plate": labels["plate"].where(labels["plate_type"] == "green"),
            "plate_type": labels["plate_type"],
            "blue_characters": length.where(labels["plate_type"] == "blue"),
            "green_characters": length.where(labels["plate_type"] == "green"),
            "brightness": labels["brightness"].astype("float64"),
            "blurriness": labels["blurriness"].astype("float64"),
        }
    )


def sharing(labels: pd.DataFrame) -> pd.DataFrame:
    """How many other photographs have the name or the content of each photograph of a labels table, by path.

    Returns:
        `copy`: 0 for the first image (by path) of its subset and name, 1 and up for its copies; where copies differ in
        content, none can be trusted and all count. `labels_of_content`: how many different labels images of identical
        bytes carry.
    """
    images = labels[["path", "subset", "name", "sha256", "problem"]].drop_duplicates("path").sort_values("path")
    images = images.assign(copy=0, labels_of_content=1)
    copies = images[images["name"].notna() & images.duplicated(["subset", "name"], keep=False)]
    if len(copies):
        groups = copies.groupby(["subset", "name"], dropna=False)
        differ = groups["sha256"].transform("nunique") > 1
        images.loc[copies.index, "copy"] = np.where(differ, 1, groups.cumcount())
    sound = images["problem"].isna() | _begins(images["problem"], TURNED)
    readable = images[sound & images["sha256"].notna()]
    same = readable[readable.duplicated("sha256", keep=False)]
    if len(same):
        rows = labels[labels["path"].isin(same["path"])]
        signature = pd.util.hash_pandas_object(rows[LABEL], index=False).groupby(rows["path"]).sum()
        variants = same["path"].map(signature).groupby(same["sha256"]).transform("nunique")
        images.loc[same.index, "labels_of_content"] = variants
    return images.set_index("path")[["copy", "labels_of_content"]]


def identity(labels: pd.DataFrame, shared: pd.DataFrame) -> pd.DataFrame:
    """How often the same thing is in the table.

    Returns:
        The columns of `sharing`. `repeat`: 1 for a box that an earlier one of its image and class overlaps by
        `SAME_OBJECT`. `objects`: how many annotations the image has, at the first of them.
    """
    counted = shared.reindex(labels["path"]).fillna({"copy": 0, "labels_of_content": 1}).reset_index(drop=True)
    objects = labels["class"].notna().groupby(labels["path"]).transform("sum").where(~labels.duplicated("path"))
    return counted.assign(repeat=near_copies(labels, SAME_OBJECT), objects=objects).astype("float64")


def _begins(problems: pd.Series, kind: str) -> pd.Series:
    return problems.str.startswith(kind).fillna(False).astype("bool")
