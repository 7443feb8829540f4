"""COCO JSON, out and in: the accepted boxes for other tools, and other data sets for this pipeline.

Format: https://cocodataset.org/#format-data. Boxes are `[x, y, width, height]` in pixels, ids are integers,
categories count from 1. What COCO has no place for stands beside it under CCPD's names (`subset`, `split`,
`plate`, `corners`...), which other readers pass over, and which bring a table back as it was.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ccpd.columns import BOX, CORNERS
from ccpd.label_table import LABELS_SCHEMA
from lineage.errors import UserError

TEXT = ("province", "plate", "plate_type")
NUMBERS = ("tilt_horizontal", "tilt_vertical", "area_ratio", "brightness", "blurriness")


@dataclass(frozen=True)
class Imported:
    """A labels table from COCO JSON, the names of its classes by id (from 1), and how many annotations
    were left out.
    """

    labels: pd.DataFrame
    label_map: dict[int, str]
    crowds: int
    unlisted: int


def to_coco(
    boxes: pd.DataFrame, splits: pd.DataFrame | None = None, label_map: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """The boxes table as COCO's dictionary; an image without a plate is an image without annotations.

    `splits` gives the ids of the images and their side (images it does not have are left out); without it ids
    follow the sorted paths, from 1. `label_map` names the categories; without it they are the classes,
    sorted. A class that it does not name raises `UserError`.
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
    image = {
        "id": int(row["image_id"]),
        "file_name": row["path"],
        "width": int(row["width"]),
        "height": int(row["height"]),
    }
    return image | {key: row[key] for key in ("subset", "split") if pd.notna(row[key])}


def _annotation(number: int, image_id: int, category: int, row: Mapping[Any, Any]) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = (float(row[side]) for side in BOX)
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

    `images` is the `raw_images` table of the folder that the file names are relative to: it gives hashes,
    sizes and problems, a size other than the JSON's is a problem, and a listed file that it does not have
    raises `UserError`. Images it has that the JSON does not list are left out, and counted (`unlisted`).
    Without it nothing is known of the files. Crowds (`iscrowd`) are left out, and counted. References to
    images or categories that do not exist, equal ids, paths out of the folder and boxes that are not four
    numbers raise `UserError`, naming them.
    """
    where = str(source) if isinstance(source, Path) else "the COCO dictionary"
    content = _read(source)
    _demand_sound(content, where)
    listed = pd.DataFrame(
        {
            "image_id": [image["id"] for image in content["images"]],
            "path": [str(PurePosixPath(image["file_name"])) for image in content["images"]],
            "width": pd.array([image.get("width") for image in content["images"]], "Int32"),
            "height": pd.array([image.get("height") for image in content["images"]], "Int32"),
            "given_subset": [image.get("subset") for image in content["images"]],
        }
    )
    unlisted = 0
    if images is None:
        listed = listed.assign(sha256=None, problem=None)
    else:
        unlisted = int((~images["path"].isin(listed["path"])).sum())
        listed = _with_files(listed, images, where)
    folder = listed["path"].map(lambda path: PurePosixPath(path).parent.name)
    listed["subset"] = listed["given_subset"].fillna(folder)
    listed["name"] = listed["path"].map(lambda path: PurePosixPath(path).name)
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    kept = [annotation for annotation in content["annotations"] if not annotation.get("iscrowd", 0)]
    labels = listed.merge(_annotations(kept, names), on="image_id", how="left").sort_values("path", kind="stable")
    return Imported(
        labels=pa.Table.from_pandas(labels, LABELS_SCHEMA, preserve_index=False).to_pandas(),
        label_map=categories(content),
        crowds=len(content["annotations"]) - len(kept),
        unlisted=unlisted,
    )


def categories(source: Path | Mapping[str, Any]) -> dict[int, str]:
    """Class names by id, from 1, in the order of the categories' own ids. Raises `UserError` for other JSON."""
    names = {category["id"]: str(category["name"]) for category in _read(source)["categories"]}
    return dict(enumerate((names[number] for number in sorted(names)), 1))


def _read(source: Path | Mapping[str, Any]) -> dict[str, Any]:
    content: Any = source
    if isinstance(source, Path):
        try:
            content = json.loads(source.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{source} cannot be read as COCO JSON: {error}. Set data.annotations to another file."
            ) from None
    absent = (
        [key for key in ("images", "annotations", "categories") if key not in content]
        if isinstance(content, Mapping)
        else ["images"]
    )
    if absent:
        raise UserError(
            f"{source if isinstance(source, Path) else 'The dictionary'} is not COCO JSON: no {', '.join(absent)}."
        )
    return dict(content)


def _demand_sound(content: dict[str, Any], where: str) -> None:
    """Raises `UserError` that lists every kind of fault with its count and first few ids."""
    image_ids = {image["id"] for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    annotations = content["annotations"]
    paths = [PurePosixPath(image["file_name"]) for image in content["images"]]
    faults = {
        "equal image ids": _repeated(image["id"] for image in content["images"]),
        "equal file names": _repeated(map(str, paths)),
        "file names out of the folder": [str(path) for path in paths if path.is_absolute() or ".." in path.parts],
        "equal annotation ids": _repeated(item["id"] for item in annotations if "id" in item),
        "equal category ids": _repeated(category["id"] for category in content["categories"]),
        "annotations of images that do not exist": [
            a.get("id") for a in annotations if a.get("image_id") not in image_ids
        ],
        "annotations of categories that do not exist": [
            a.get("id") for a in annotations if a.get("category_id") not in categories
        ],
        "annotations whose bbox is not four numbers": [
            a.get("id") for a in annotations if not a.get("iscrowd", 0) and not _is_box(a.get("bbox"))
        ],
    }
    lines = [
        f"  {len(found):,} {kind}: {', '.join(map(str, found[:5]))}{', ...' if len(found) > 5 else ''}"
        for kind, found in faults.items()
        if found
    ]
    if lines:
        raise UserError(f"{where} does not hold together:\n" + "\n".join(lines) + "\nMend it, then: plates run")


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _is_box(box: Any) -> bool:
    if not isinstance(box, list | tuple) or len(box) != 4:
        return False
    return all(isinstance(side, int | float) and np.isfinite(side) for side in box)


def _with_files(listed: pd.DataFrame, images: pd.DataFrame, where: str) -> pd.DataFrame:
    files = images[["path", "sha256", "width", "height", "problem"]]
    merged = listed.merge(files, on="path", how="left", suffixes=("_said", ""), indicator=True)
    missing = merged.loc[merged["_merge"] == "left_only", "path"]
    if len(missing):
        raise UserError(
            f"{len(missing):,} of {len(merged):,} images that {where} lists are not under data.root: "
            f"{', '.join(missing.head(3))}{', ...' if len(missing) > 3 else ''}. "
            "File names are relative to data.root: plates run --set data.root=FOLDER"
        )
    said, found = (
        merged["width" + end].astype("Int32").astype("string")
        + "x"
        + merged["height" + end].astype("Int32").astype("string")
        for end in ("_said", "")
    )
    differ = merged["problem"].isna() & said.notna() & found.notna() & (said != found).fillna(False)
    merged["problem"] = merged["problem"].astype("object").mask(differ, "is " + found + ", the annotations say " + said)
    return merged.drop(columns=["width_said", "height_said", "_merge"])


def _annotations(kept: list[dict[str, Any]], names: dict[int, str]) -> pd.DataFrame:
    box = np.asarray([annotation["bbox"] for annotation in kept], np.float64).reshape(-1, 4)
    box[:, 2:] += box[:, :2]
    nothing = [None] * len(CORNERS)
    corners = [annotation.get("corners", nothing) for annotation in kept]
    return pd.DataFrame(
        {
            "image_id": [annotation["image_id"] for annotation in kept],
            "class": [names[annotation["category_id"]] for annotation in kept],
            **dict(zip(BOX, box.T, strict=True)),
            **{corner: [row[position] for row in corners] for position, corner in enumerate(CORNERS)},
            **{key: [annotation.get(key) for annotation in kept] for key in [*TEXT, *NUMBERS]},
        }
    )
