"""The outcome of every photograph of a delivery in one evaluation: its split, its boxes, and which plates were found.

One row per annotation, and one with a null `class` for a photograph without any: small enough to keep for every
evaluation, and all that is needed to compare two of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plates.ccpd.geometry import iou
from plates.columns import BOX, SPLITS
from plates.files import atomic
from plates.settings.project import Project

IOU = 0.5
ROW_GROUP = 4096
"""Rows that are read together to look one photograph up: the table is sorted by path."""

UNPARSED = "name does not parse: "
UNLISTED = "no annotation names it, or only a crowd"
WORDS = pa.dictionary(pa.int32(), pa.string())
COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "path": (pa.string(), "POSIX, relative to data.root"),
    "sha256": (pa.binary(32), "of the file's content"),
    "class": (WORDS, "null: no plate"),
    **{edge: (pa.float32(), "of the labelled box, pixels of the original image") for edge in BOX},
    "split": (WORDS, "train, val or test; null: in none"),
    "rejected": (WORDS, "why it was set aside; null: accepted"),
    "found": (pa.bool_(), "whether the plate was found; null: not scored"),
    "iou": (pa.float32(), "of the box with the detection it was given, or else with the nearest; null: not scored"),
    "score": (pa.float32(), "of that detection"),
}
SCHEMA = pa.schema([pa.field(name, kind, metadata={"description": text}) for name, (kind, text) in COLUMNS.items()])


def outcomes(project: Project, detections: pd.DataFrame | None, split: str, label_map: Mapping[int, str]) -> pa.Table:
    """The outcome of every photograph in `data/raw_images.parquet`, by path.

    Args:
        project: where the tables up to the splits are.
        detections: the columns of `data/detections.parquet`, of the photographs of `split`; None if the detector has
            no boxes.
        split: the one that was scored.
        label_map: class id to name, of the detector.

    Returns:
        A table of `SCHEMA`.
    """
    images = pd.read_parquet(project.path("data/raw_images.parquet"), columns=["path", "sha256"])
    accepted = pd.read_parquet(project.path("data/boxes.parquet"), columns=["path", "class", *BOX])
    aside = pd.read_parquet(project.path("data/rejected.parquet"), columns=["path", "class", *BOX, "broken"])
    unparsed = pd.read_parquet(project.path("data/unparsed.parquet"), columns=["path", "field"])
    splits = pd.read_parquet(project.path("data/splits.parquet"), columns=["path", "split"])
    aside["rejected"] = aside.pop("broken").map(", ".join)
    unparsed["rejected"] = UNPARSED + unparsed.pop("field")
    known = pd.concat([accepted, aside, unparsed], ignore_index=True)
    rows = images.merge(known, on="path", how="left", indicator="listed")
    rows.loc[rows.pop("listed") == "left_only", "rejected"] = UNLISTED
    rows = rows.merge(splits, on="path", how="left").sort_values(["path", *BOX], kind="stable", ignore_index=True)
    rows.loc[rows["rejected"].notna(), "split"] = None
    if detections is None:
        rows[["found", "iou", "score"]] = None
    else:
        scored = ((rows["split"] == split) & rows["class"].notna()).to_numpy()
        rows = rows.join(match(rows[scored], detections, label_map).set_index(rows.index[scored]))
    rows["sha256"] = rows["sha256"].map(bytes.fromhex, na_action="ignore")
    return pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False)


def match(truth: pd.DataFrame, detections: pd.DataFrame, label_map: Mapping[int, str]) -> pd.DataFrame:
    """Which boxes were found.

    Of a photograph with n plates the n detections of the highest scores count, whatever these are: the best first,
    each takes the free box of its class that it overlaps most, at an IoU of 0.5 or more (as COCO's evaluation does).
    So a plate is found or missed at no threshold of the score; with one plate a photograph it is CCPD's rule.

    Args:
        truth: path, class (a name) and the box; no row without one.
        detections: path, class (an id of `label_map`), score and the box. Pixels of the original photographs in both.
        label_map: class id to name.

    Returns:
        `found`, `iou` and `score` for each row of `truth`, in its order. Of a box that was missed, those of the
        counted detection that overlaps it most; 0 if there is none.
    """
    plates = truth[["path", "class", *BOX]].reset_index(drop=True).rename_axis("row").reset_index()
    count = plates.groupby("path").size()
    best = detections[detections["path"].isin(count.index)].sort_values("score", ascending=False, kind="stable")
    best = best[best.groupby("path").cumcount().to_numpy() < count.reindex(best["path"]).to_numpy(float)]
    best = best.reset_index(drop=True).rename_axis("detection").reset_index()
    pairs = plates.merge(best, on="path", suffixes=("", "_found"))
    pairs["iou"] = iou(pairs[BOX].to_numpy(float), pairs[[f"{edge}_found" for edge in BOX]].to_numpy(float))
    close = pairs[(pairs["iou"] >= IOU) & (pairs["class"] == pairs["class_found"].map(label_map))]
    close = close.sort_values(["detection", "iou"], ascending=[True, False], kind="stable")
    taken = close.loc[_greedy(close["row"].to_numpy(), close["detection"].to_numpy())]
    nearest = pairs.sort_values(["iou", "detection"], ascending=[False, True], kind="stable").drop_duplicates("row")
    shown = pd.concat([taken, nearest]).drop_duplicates("row").set_index("row")[["iou", "score"]]
    found = shown.reindex(plates["row"]).fillna(0.0).reset_index(drop=True)
    found.insert(0, "found", plates["row"].isin(taken["row"]))
    return found


def counts(table: pa.Table) -> dict[str, Any]:
    """How many `images` and `boxes` were accepted, annotations `rejected`, names `unparsed`; images by `splits`."""
    rows = table.select(["path", "class", "split", "rejected"]).to_pandas()
    reason = rows["rejected"].astype(object).fillna("")
    unparsed = reason.str.startswith(UNPARSED)
    accepted = rows[reason == ""]
    by_split = accepted.drop_duplicates("path")["split"].value_counts()
    return {
        "images": accepted["path"].nunique(),
        "boxes": int(accepted["class"].notna().sum()),
        "rejected": int(((reason != "") & (reason != UNLISTED) & ~unparsed).sum()),
        "unparsed": int(unparsed.sum()),
        "splits": {split: int(by_split.get(split, 0)) for split in SPLITS},
    }


def _greedy(rows: np.ndarray, detections: np.ndarray) -> np.ndarray:
    """Which of the pairs, given best first, are taken when each row and each detection is taken once."""
    free_rows, free_detections = set(rows.tolist()), set(detections.tolist())
    taken = np.zeros(len(rows), bool)
    for place, (row, detection) in enumerate(zip(rows.tolist(), detections.tolist(), strict=True)):
        if row in free_rows and detection in free_detections:
            taken[place] = True
            free_rows.discard(row)
            free_detections.discard(detection)
    return taken


def write(path: Path, table: pa.Table) -> None:
    """Writes outcomes so that 350,000 photographs take some 30 MB; equal tables give equal bytes."""
    with atomic(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=9,
            row_group_size=ROW_GROUP,
            use_dictionary=["class", "split", "rejected"],
            column_encoding={"path": "DELTA_BYTE_ARRAY", **dict.fromkeys([*BOX, "iou", "score"], "BYTE_STREAM_SPLIT")},
        )
