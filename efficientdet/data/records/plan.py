"""Which image goes into which shard: the tables as one row an image, shuffled within each split and cut."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from efficientdet.data.records.record import CORNERS, SIDES
from lineage.errors import UserError

SPLITS = ("train", "val", "test")
_NAMED = 5


@dataclass(frozen=True)
class PlannedShard:
    """A shard before it is written: its name, its rows of the images table, and the bytes of their files."""

    file: str
    split: str
    images: pa.Table
    bytes: int


def images_table(
    boxes: pa.Table | pd.DataFrame, splits: pa.Table | pd.DataFrame, label_map: dict[int, str]
) -> pa.Table:
    """One row an image of `splits`, by image_id: the boxes' columns as lists (empty for a negative), split, width,
    height. Images that `splits` leaves out, as official lists do, are left out.

    Raises `UserError` where `boxes` lacks an image, a size or hash is missing, a class is not in the label map, or a
    box is not finite or has no area.
    """
    boxes, splits = _arrow(boxes), _arrow(splits)
    _check_images(boxes, splits)
    boxes = boxes.filter(pc.is_in(boxes["path"], value_set=splits["path"]))
    _usable(boxes, label_map)
    columns = ["class", *SIDES, *CORNERS]
    grouped = boxes.group_by("path", use_threads=False).aggregate(
        [(name, "first") for name in ("sha256", "width", "height")] + [(name, "list") for name in columns]
    )
    splits = splits.select(["image_id", "path", "split"]).sort_by("image_id")
    grouped = grouped.take(pc.index_in(splits["path"], value_set=grouped["path"].combine_chunks()))
    images = {name: splits[name] for name in ("image_id", "path", "split")}
    images |= {"sha256": grouped["sha256_first"]}
    images |= {name: grouped[f"{name}_first"].cast(pa.int64()) for name in ("width", "height")}
    has_box = pc.is_valid(pc.list_element(grouped["class_list"], 0))
    for name in columns:
        lists = grouped[f"{name}_list"]
        images[name] = pc.if_else(has_box, lists, pa.scalar([], lists.type))
    return pa.table(images)


def shards(images: pa.Table, root: Path, seed: int, shard_bytes: int) -> list[PlannedShard]:
    """The images of each split in a seeded random order, cut into shards of about `shard_bytes` bytes.

    Raises `UserError` naming files that are missing or lie outside `root` (through a symbolic link or `..`).
    """
    sizes = file_sizes(images["path"].to_pylist(), root)
    split_of = images["split"].to_numpy(zero_copy_only=False)
    planned = []
    for number, split in enumerate(SPLITS):
        rows = np.flatnonzero(split_of == split)
        if not len(rows):
            continue
        rows = np.random.default_rng([seed, number]).permutation(rows)
        count = min(len(rows), max(1, round(sizes[rows].sum() / shard_bytes)))
        for index, part in enumerate(np.array_split(rows, count)):
            name = f"{split}-{index:05d}-of-{count:05d}.tfrecord"
            planned.append(PlannedShard(name, split, images.take(pa.array(part)), int(sizes[part].sum())))
    return planned


def file_sizes(paths: list[str], root: Path) -> np.ndarray:
    """Bytes of each file under `root`, int64. Raises as `shards`."""
    real_root = root.resolve()

    @cache
    def inside(folder: str) -> bool:
        return Path(os.path.realpath(real_root / folder)).is_relative_to(real_root)

    sizes = np.zeros(len(paths), np.int64)
    missing, outside = [], []
    for index, path in enumerate(paths):
        file = os.path.join(real_root, path)
        try:
            status = os.lstat(file)
            if not inside(os.path.dirname(path)) or (os.path.islink(file) and not inside(path)):
                outside.append(path)
                continue
            sizes[index] = status.st_size if not os.path.islink(file) else os.stat(file).st_size
        except OSError:
            missing.append(path)
    if outside:
        raise UserError(f"{named(outside)} outside data.root ({root}): remove these links, or move data.root up")
    if missing:
        raise UserError(f"{named(missing)} gone from {root} since the scan: run `plates materialize raw_images`")
    return sizes


def named(paths: list[str]) -> str:
    """'3 files (a, b, c) are', with the first few of the names."""
    more = ", ..." if len(paths) > _NAMED else ""
    verb = "file ({}) is" if len(paths) == 1 else "files ({}) are"
    return f"{len(paths)} {verb.format(', '.join(paths[:_NAMED]) + more)}"


def _arrow(table: pa.Table | pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else table


def _check_images(boxes: pa.Table, splits: pa.Table) -> None:
    unboxed = splits["path"].filter(pc.invert(pc.is_in(splits["path"], value_set=boxes["path"])))
    if len(unboxed):
        raise UserError(
            f"boxes and splits are of different images: {len(unboxed)} only in splits (such as {unboxed[0]}): run "
            "`plates materialize splits`"
        )
    twice = len(splits) - pc.count_distinct(splits["path"]).as_py()
    if twice:
        raise UserError(f"{twice} images stand twice in splits: run `plates materialize splits`")
    strange = set(pc.unique(splits["split"]).to_pylist()) - set(SPLITS)
    if strange:
        raise UserError(f"unknown splits {sorted(map(str, strange))}: only {', '.join(SPLITS)} are known")


def _usable(boxes: pa.Table, label_map: dict[int, str]) -> None:
    for column in ("sha256", "width", "height"):
        lacking = boxes["path"].filter(pc.is_null(boxes[column]))
        if len(lacking):
            raise UserError(f"{named(lacking.to_pylist())} without {column} in the boxes: scan them again")
    if min(label_map, default=1) < 1:
        raise UserError(f"label ids start at 1; the label map has {min(label_map)}")
    unknown = set(pc.unique(boxes["class"].drop_null()).to_pylist()) - set(label_map.values())
    if unknown:
        raise UserError(f"classes {sorted(unknown)} are not in the label map {sorted(label_map.values())}")
    labelled = boxes.filter(pc.is_valid(boxes["class"]))
    sides = np.stack([labelled[side].to_numpy() for side in SIDES]).astype(float)
    broken = ~np.isfinite(sides).all(axis=0) | (sides[2] <= sides[0]) | (sides[3] <= sides[1])
    if broken.any():
        paths = labelled["path"].filter(pa.array(broken)).to_pylist()
        raise UserError(f"{named(paths)} with a box that has no area: run `plates materialize boxes`")
