"""COCO JSON, out and in: the accepted boxes for other tools, and other data sets for this pipeline.

Format: https://cocodataset.org/#format-data. Boxes are `[x, y, width, height]` in pixels, ids are integers,
categories count from 1. What COCO has no field for is added under CCPD's names (`subset`, `split`,
`plate`, `corners`...), which other readers ignore, and which make the conversion reversible.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from plates.ccpd.geometry import in_order
from plates.ccpd.subsets import UNNAMED
from plates.ccpd.table import LABELS_SCHEMA, SIZE_DIFFERS
from plates.coco.file import ANOTHER, Annotation, is_coordinate, name_of, read_coco
from plates.columns import BOX, CORNERS
from plates.errors import UserError
from plates.photographs.turn import drawn_upright, turn_labels

TEXT = ("province", "plate", "plate_type")
NUMBERS = ("tilt_horizontal", "tilt_vertical", "area_ratio", "brightness", "blurriness")
NO_OUTLINE: tuple[Any, ...] = (None, [], [[]], {})
OTHERWISE: dict[str, Callable[[pd.Series], pd.Series]] = {
    "with accents in another Unicode form (NFC, NFD)": lambda paths: paths,
    "in different upper or lower case": lambda paths: paths.str.casefold(),
    "in another folder": lambda paths: paths.str.casefold().str.rpartition("/")[2],
}
"""Ways in which a listed file that is missing may be there under another name, and what is equal then."""


@dataclass(frozen=True)
class Imported:
    """A labels table from COCO JSON, and what was left out.

    Attributes:
        label_map: class names by id, from 1.
        crowds: annotations left out because they are crowds, with their photographs.
        crowded: the photographs (paths) left out with them.
        unlisted: images of the folder that the JSON does not list.
        polygons: annotations kept without corners: their outline is not one polygon of four points.
        turned: annotations that were turned with their photograph.
    """

    labels: pd.DataFrame
    label_map: dict[int, str]
    crowds: int
    crowded: list[str]
    unlisted: int
    polygons: int
    turned: int = 0


def to_coco(
    boxes: pd.DataFrame, splits: pd.DataFrame | None = None, label_map: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """The boxes table as COCO's dictionary; an image without a plate is an image without annotations.

    Args:
        boxes: the table.
        splits: gives the images their ids and split; images it does not have are left out. Without it, ids follow the
            sorted paths, from 1.
            label_map: names the categories; without it, they are the sorted classes.

    Raises:
        UserError: a class that `label_map` does not name.
    """
    classes = boxes["class"].dropna()
    names = dict(label_map) if label_map else dict(enumerate(sorted(classes.unique()), 1))
    ids = {name: number for number, name in names.items()}
    if unknown := sorted(set(classes) - set(ids)):
        raise UserError(f"{len(unknown)} classes are not in the label map {names}: {', '.join(unknown[:5])}")
    images = boxes.drop_duplicates("path").sort_values("path")
    if splits is None:
        images = images.assign(image_id=range(1, len(images) + 1), split=None)
    else:
        images = images.merge(splits[["path", "image_id", "split"]].drop_duplicates("path"), on="path")
    image_ids = dict(zip(images["path"], images["image_id"].tolist(), strict=True))
    labelled = boxes[boxes["class"].notna() & boxes["path"].isin(image_ids)].sort_values("path", kind="stable")
    return {
        "info": {"description": "License plates", "version": "1.0"},
        "licenses": [],
        "categories": [{"id": int(i), "name": name, "supercategory": "plate"} for i, name in sorted(names.items())],
        "images": [_image(row) for row in images.to_dict("records")],
        "annotations": [
            _annotation(number, image_ids[row["path"]], ids[row["class"]], row)
            for number, row in enumerate(labelled.to_dict("records"), 1)
        ],
    }


def _image(row: Mapping[Any, Any]) -> dict[str, Any]:
    image = {"id": int(row["image_id"]), "file_name": row["path"]}
    image |= {key: int(row[key]) for key in ("width", "height") if pd.notna(row[key])}
    return image | {key: row[key] for key in ("subset", "split") if pd.notna(row[key])}


def _annotation(number: int, image_id: int, category: int, row: Mapping[Any, Any]) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = (float(row[edge]) for edge in BOX)
    annotation: dict[str, Any] = {
        "id": number,
        "image_id": int(image_id),
        "category_id": int(category),
        "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
        "area": (xmax - xmin) * (ymax - ymin),
        "iscrowd": 0,
    }
    if all(pd.notna(row[corner]) for corner in CORNERS):
        corners = [float(row[corner]) for corner in CORNERS]
        annotation |= {"segmentation": [corners], "corners": corners}
    annotation |= {key: row[key] for key in TEXT if pd.notna(row[key])}
    return annotation | {key: np.asarray(row[key]).item() for key in NUMBERS if pd.notna(row[key])}


def from_coco(source: Path | Mapping[str, Any], images: pd.DataFrame | None = None) -> Imported:
    """Reads COCO JSON (a file, or the dictionary) as a labels table; rows in the order of path.

    `images` is the `raw_images` table of the folder that the file names are relative to: it gives hashes, sizes and
    problems, and a size other than the JSON's is a problem. Its images that the JSON does not list are left out and
    counted (`unlisted`). Without it, nothing is known about the files. A subset is the one in the JSON, or else the
    folder of the file. Corners are the JSON's own, or else a `segmentation` of one polygon with four points, put into
    CCPD's order; other outlines are left out and counted (`polygons`). So are photographs with a crowd (`iscrowd`),
    whose objects do not all have a box: the rest would be learned as background. Boxes are taken unchanged, wherever
    they are.

    Raises:
        UserError: as `read_coco`; and if `images` is given, a listed file that it does not have, no box at all, or
            boxes that are all in another format, such as shares of the picture or two corners.
    """
    coco = read_coco(source)
    listed = pd.DataFrame(
        {
            "image_id": [image.id for image in coco.images],
            "path": [image.file_name for image in coco.images],
            "width": pd.array([image.width for image in coco.images], "Int32"),
            "height": pd.array([image.height for image in coco.images], "Int32"),
            "given_subset": [image.subset for image in coco.images],
        }
    )
    unlisted = 0
    if images is None:
        listed = listed.assign(sha256=None, problem=None, turn=1)
    else:
        unlisted = int((~images["path"].isin(listed["path"])).sum())
        listed = _with_files(listed, images, name_of(source))
    folder = listed["path"].map(lambda path: path.rpartition("/")[0] or UNNAMED)
    listed["subset"] = listed["given_subset"].fillna(folder)
    listed["name"] = listed["path"].map(lambda path: path.rpartition("/")[2])
    crowded = {annotation.image_id for annotation in coco.annotations if annotation.iscrowd}
    of_crowds = listed["image_id"].isin(crowded)
    left_out, listed = listed.loc[of_crowds, "path"].tolist(), listed[~of_crowds]
    kept = [annotation for annotation in coco.annotations if annotation.image_id not in crowded]
    corners, polygons = _corners(kept)
    annotations = _annotations(kept, corners, {category.id: category.name for category in coco.categories})
    if images is not None:
        if annotations.empty:
            said = f"; {len(crowded):,} have crowds (iscrowd), and are left out" if crowded else ""
            raise UserError(f"{name_of(source)} has no box for any of its {len(coco.images):,} images{said}. {ANOTHER}")
        _require_pixels(annotations.merge(listed[["image_id", "width", "height"]], on="image_id"), name_of(source))
    labels = listed.merge(annotations, on="image_id", how="left").sort_values("path", kind="stable")
    turn = labels["turn"].to_numpy(np.int64)
    labels = turn_labels(labels.reset_index(drop=True), turn)
    return Imported(
        labels=pa.Table.from_pandas(labels, LABELS_SCHEMA, preserve_index=False).to_pandas(),
        label_map=coco.label_map,
        crowds=sum(bool(annotation.iscrowd) for annotation in coco.annotations),
        crowded=left_out,
        unlisted=unlisted,
        polygons=polygons,
        turned=int(((turn > 1) & labels["class"].notna()).sum()),
    )


def categories(source: Path | Mapping[str, Any]) -> dict[int, str]:
    """Class names by id, from 1, in the order of the categories' own ids.

    Raises:
        UserError: as `read_coco`.
    """
    return read_coco(source).label_map


def _with_files(listed: pd.DataFrame, images: pd.DataFrame, where: str) -> pd.DataFrame:
    files = images[["path", "sha256", "width", "height", "problem", "orientation"]]
    merged = listed.merge(files, on="path", how="left", suffixes=("_said", ""), indicator=True)
    missing = merged.loc[merged["_merge"] == "left_only", "path"]
    if len(missing):
        raise UserError(
            f"{len(missing):,} of {len(merged):,} images that {where} lists are not under data.root: "
            f"{', '.join(missing.head(3))}{', ...' if len(missing) > 3 else ''}. "
            f"{_there_otherwise(missing, images['path'])}"
            "File names are relative to data.root: plates run --set data.root=FOLDER"
        )
    said, found = (
        merged["width" + end].astype("Int32").astype("string")
        + "x"
        + merged["height" + end].astype("Int32").astype("string")
        for end in ("_said", "")
    )
    orientation = merged["orientation"].fillna(1).to_numpy(np.int64)
    of_said, of_file = (
        merged[["width" + end, "height" + end]].to_numpy(np.float64, na_value=np.nan) for end in ("_said", "")
    )
    upright = drawn_upright(of_said, of_file, orientation)
    exchanged = (merged["width_said"] == merged["height"]) & (merged["height_said"] == merged["width"])
    lying = exchanged.fillna(False) & (orientation >= 5)
    differ = merged["problem"].isna() & said.notna() & found.notna() & (said != found).fillna(False) & ~lying
    words = SIZE_DIFFERS + "the file is " + found + ", the annotations say " + said
    words += exchanged.fillna(False).map({True: " (width and height exchanged)", False: ""})
    merged["problem"] = merged["problem"].astype("object").mask(differ, words)
    merged["turn"] = np.where(upright, 1, orientation)
    return merged.drop(columns=["width_said", "height_said", "orientation", "_merge"])


def _there_otherwise(missing: pd.Series, paths: pd.Series) -> str:
    missing, there = missing.str.normalize("NFC"), paths.str.normalize("NFC")
    for where, key in OTHERWISE.items():
        known = pd.Series(paths.to_numpy(), key(there)).groupby(level=0).first()
        found = known.reindex(key(missing)).dropna()
        if len(found):
            return f"{len(found):,} of them are there {where} ({found.iloc[0]}): write the names as in the folder. "
    return ""


def _require_pixels(annotations: pd.DataFrame, where: str) -> None:
    """Raises `UserError` if every box is in another format than COCO's."""
    left, top, right, bottom = (annotations[edge].to_numpy() for edge in BOX)
    side, other = right - left, bottom - top
    width, height = (annotations[key].to_numpy(np.float64, na_value=np.nan) for key in ("width", "height"))
    if max(map(np.max, (left, top, side, other))) <= 1:
        raise UserError(
            f"{where}: all {len(annotations):,} boxes are within one pixel, like shares of the picture (0 to 1). "
            "Multiply them by its width and height: a box is [x, y, width, height] in pixels."
        )
    beyond = (right > width + 1) | (bottom > height + 1)
    corners = (side > left) & (other > top) & (side <= width) & (other <= height)
    if beyond.mean() > 0.5 and corners.all():
        raise UserError(
            f"{where}: {beyond.sum():,} of {len(annotations):,} boxes extend past the edge, but all would fit as "
            "[xmin, ymin, xmax, ymax]. Write them as COCO does: [x, y, width, height]."
        )


def _annotations(kept: list[Annotation], corners: np.ndarray, names: Mapping[int, str]) -> pd.DataFrame:
    box = np.asarray([annotation.bbox for annotation in kept], np.float64).reshape(-1, 4)
    box[:, 2:] += box[:, :2]
    return pd.DataFrame(
        {
            "image_id": [annotation.image_id for annotation in kept],
            "class": [names[annotation.category_id] for annotation in kept],
            **dict(zip(BOX, box.T, strict=True)),
            **dict(zip(CORNERS, corners.T, strict=True)),
            **{key: [getattr(annotation, key) for annotation in kept] for key in [*TEXT, *NUMBERS]},
        }
    )


def _corners(kept: list[Annotation]) -> tuple[np.ndarray, int]:
    """Corners [N, 8], NaN where there are none, and the number of annotations whose outline was left out."""
    corners = np.full((len(kept), len(CORNERS)), np.nan)
    outlined, polygons = [], 0
    for index, annotation in enumerate(kept):
        if annotation.corners is not None:
            corners[index] = annotation.corners
        elif (points := _four_points(annotation.segmentation)) is not None:
            corners[index] = points
            outlined.append(index)
        else:
            polygons += annotation.segmentation not in NO_OUTLINE
    corners[outlined] = in_order(corners[outlined].reshape(-1, 4, 2)).reshape(-1, 8)
    return corners, polygons


def _four_points(segmentation: Any) -> list[float] | None:
    """The eight numbers of a segmentation that is one polygon of four points, which may repeat the first at the end."""
    if not isinstance(segmentation, list) or len(segmentation) != 1 or not isinstance(segmentation[0], list):
        return None
    points = segmentation[0]
    if len(points) == 10 and points[:2] == points[8:]:
        points = points[:8]
    return points if len(points) == 8 and all(map(is_coordinate, points)) else None
