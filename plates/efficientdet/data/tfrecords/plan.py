"""Which image goes into which shard: the tables as one row per image, shuffled within each split and cut."""

import os
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates import parts
from plates.columns import BOX, CORNERS, SPLITS
from plates.efficientdet.data.tfrecords.paths import Paths
from plates.errors import UserError
from plates.remote import Place, Remote

BOX_COLUMNS = ["path", "sha256", "width", "height", "class", *BOX, *CORNERS]
SPLIT_COLUMNS = ["image_id", "path", "split"]
_NAMED = 5
_BATCH = 10_000  # paths as Python strings at a time


@dataclass(frozen=True)
class PlannedShard:
    """A shard before it is written: its name, its rows of the images table in order, and the bytes of their files."""

    file: str
    rows: np.ndarray
    bytes: int


def images_from(boxes: Path, splits: Path, label_map: dict[int, str], ignored: pd.DataFrame) -> pa.Table:
    """`images_table` of the files of the two tables, both by path, and of the regions to ignore.

    Only what is planned is held, about 270 bytes a photograph; the files are read a part at a time.

    Args:
        boxes: file of the boxes table.
        splits: file of the splits table.
        label_map: class names by id.
        ignored: rows of the labels table.
    """
    regions = pa.Table.from_pandas(ignored, preserve_index=False).select(BOX_COLUMNS)
    crowd = pa.repeat(True, len(regions))
    tables = []
    rows = parts.by_photograph(parts.read(boxes, BOX_COLUMNS))
    for part, of_part in parts.beside(rows, parts.read(splits, SPLIT_COLUMNS)):
        both = pa.concat_tables([_with_crowd(part), regions.cast(part.schema).append_column("crowd", crowd)])
        tables.append(images_table(both, of_part, label_map).combine_chunks())
    planned, listed = sum(map(len, tables)), pq.read_metadata(splits).num_rows
    if planned < listed:
        raise UserError(
            f"boxes and splits are of different images: {listed - planned} only in splits, after the last of the "
            "boxes: run `plates materialize splits`"
        )
    return pa.concat_tables(tables)


def rows_of(images: pa.Table, rows: np.ndarray) -> pa.Table:
    """`images.take(rows)`, -1 for a row of nulls, which does not join the table's chunks first.

    Joined, ten million paths are a copy of 1 GB at every call.
    """
    batches = images.to_batches()
    starts = np.cumsum([0, *map(len, batches)])
    batch = np.searchsorted(starts, rows, "right") - 1
    at = np.argsort(batch, kind="stable")
    found = [
        batches[number].take(pa.array(rows[at][batch[at] == number] - starts[number]))
        for number in np.unique(batch[rows >= 0])
    ]
    place = np.zeros(len(rows), np.int64)
    known = at[rows[at] >= 0]
    place[known] = np.arange(len(known))
    return pa.Table.from_batches(found, images.schema).combine_chunks().take(pa.array(place, mask=rows < 0))


def images_table(
    boxes: pa.Table | pd.DataFrame, splits: pa.Table | pd.DataFrame, label_map: dict[int, str]
) -> pa.Table:
    """One row per image of `splits`, by image_id; images that `splits` leaves out, as official lists do, are left out.

    Its columns are split, width, height, and the boxes' columns as lists (empty for a negative). If `boxes` has a
    column `crowd`, it is true for regions to ignore.

    Raises:
        UserError: `boxes` lacks an image, a size or hash is missing, a class is not in the label map, or a box is not
            finite or has no area.
    """
    boxes, splits = _with_crowd(boxes), _arrow(splits, SPLIT_COLUMNS).sort_by("image_id")
    image = Paths(splits["path"]).find(boxes["path"])
    if not (listed := image >= 0).all():
        boxes, image = boxes.filter(listed), image[listed]
    found, first = np.unique(image, return_index=True)
    _check_splits(splits, found)
    _usable(boxes, label_map)
    images = {name: splits[name] for name in SPLIT_COLUMNS}
    images |= {"sha256": boxes["sha256"].take(first)}
    images |= {name: boxes[name].take(first).cast(pa.int32()) for name in ("width", "height")}
    order = np.argsort(image, kind="stable")
    labelled = order[boxes["class"].is_valid().to_numpy()[order]]
    starts = pa.array(np.searchsorted(image[labelled], np.arange(len(splits) + 1)), pa.int32())
    for name in ("class", "crowd", *BOX, *CORNERS):
        values = boxes[name].take(labelled).combine_chunks()
        images[name] = pa.ListArray.from_arrays(starts, values)
    return pa.table(images)


class Photographs(Protocol):
    """The JPEG files of a table's rows, by `path` (relative to `root`) and `sha256`."""

    @property
    def root(self) -> Place: ...

    def file(self, path: str, sha256: str) -> Place: ...

    def read(self, path: str, sha256: str) -> bytes: ...


def shards(images: pa.Table, photographs: Photographs, seed: int, shard_bytes: int) -> list[PlannedShard]:
    """The images of each split in a seeded random order, cut into shards of about `shard_bytes` bytes.

    Raises:
        UserError: files are missing or outside the root (through a symbolic link or `..`).
    """
    sizes = file_sizes(images, photographs)
    planned = []
    for number, split in enumerate(SPLITS):
        rows = np.flatnonzero(pc.equal(images["split"], split))
        if not len(rows):
            continue
        rows = np.random.default_rng([seed, number]).permutation(rows)
        count = min(len(rows), max(1, round(sizes[rows].sum() / shard_bytes)))
        for index, part in enumerate(np.array_split(rows, count)):
            name = f"{split}-{index:05d}-of-{count:05d}.tfrecord"
            planned.append(PlannedShard(name, part, int(sizes[part].sum())))
    return planned


def file_sizes(images: pa.Table, photographs: Photographs) -> np.ndarray:
    """Bytes of each image's file, int64. Raises as `shards`."""
    root = photographs.root
    listed = _listed(images, root) if isinstance(root, Remote) else None
    real_root = Path() if isinstance(root, Remote) else root.resolve()

    @cache
    def inside(folder: str) -> bool:
        return Path(os.path.realpath(real_root / folder)).is_relative_to(real_root)

    sizes = np.zeros(len(images), np.int64)
    missing, outside = [], []
    keys = images.select(["path", "sha256"])
    batches = (keys.slice(start, _BATCH).to_pydict().values() for start in range(0, len(keys), _BATCH))
    for index, (path, sha256) in enumerate(chain.from_iterable(zip(*batch, strict=True) for batch in batches)):
        file = photographs.file(path, sha256)
        if isinstance(file, Remote):
            assert listed is not None
            sizes[index] = listed[index]
            if listed[index] < 0:
                missing.append(path)
            continue
        try:
            if file == root / path and not (inside(os.path.dirname(path)) and (not file.is_symlink() or inside(path))):
                outside.append(path)
                continue
            sizes[index] = file.stat().st_size
        except OSError:
            missing.append(path)
    if outside:
        raise UserError(f"{named(outside)} outside data.root ({root}): remove these links, or move data.root up")
    if missing:
        raise UserError(f"{named(missing)} gone from {root} since the scan: run `plates materialize raw_images`")
    return sizes


def _listed(images: pa.Table, root: Remote) -> np.ndarray:
    """Bytes of each image in a store, -1 if it is gone, int64."""
    found = root.sizes()
    at = pc.index_in(images["path"], found["path"])
    return np.asarray(pc.fill_null(pc.take(found["bytes"], at), -1))


def named(paths: list[str]) -> str:
    """'3 files (a, b, c) are', with the first few names."""
    more = ", ..." if len(paths) > _NAMED else ""
    verb = "file ({}) is" if len(paths) == 1 else "files ({}) are"
    return f"{len(paths)} {verb.format(', '.join(paths[:_NAMED]) + more)}"


def _with_crowd(boxes: pa.Table | pd.DataFrame) -> pa.Table:
    names = boxes.columns if isinstance(boxes, pd.DataFrame) else boxes.column_names
    if "crowd" in names:
        return _arrow(boxes, [*BOX_COLUMNS, "crowd"])
    return _arrow(boxes, BOX_COLUMNS).append_column("crowd", pa.repeat(False, len(boxes)))


def _arrow(table: pa.Table | pd.DataFrame, columns: list[str]) -> pa.Table:
    if isinstance(table, pd.DataFrame):
        return pa.Table.from_pandas(table, columns=columns, preserve_index=False)
    return table.select(columns)


def _check_splits(splits: pa.Table, found: np.ndarray) -> None:
    """found: the rows of `splits` that the boxes have; one for a path that occurs twice."""
    unboxed = splits["path"].take(np.setdiff1d(np.arange(len(splits)), found))
    if len(unboxed):
        if twice := len(splits) - pc.count_distinct(splits["path"]).as_py():
            raise UserError(f"{twice} images occur twice in splits: run `plates materialize splits`")
        raise UserError(
            f"boxes and splits are of different images: {len(unboxed)} only in splits (such as {unboxed[0]}): run "
            "`plates materialize splits`"
        )
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
    sides = np.stack([boxes[side].to_numpy() for side in BOX]).astype(float)
    broken = ~np.isfinite(sides).all(axis=0) | (sides[2] <= sides[0]) | (sides[3] <= sides[1])
    broken &= boxes["class"].is_valid().to_numpy()
    if broken.any():
        paths = boxes["path"].filter(broken).to_pylist()
        raise UserError(f"{named(paths)} with a box that has no area: run `plates materialize boxes`")
