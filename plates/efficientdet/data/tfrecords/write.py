"""Writes shards: each one atomically into a work folder, and the whole folder moved at the end.

A run that ends early leaves its finished shards in the work folder beside the target, named by a hash of all that goes
into them; the next run reuses those whose SHA-256 still matches. Processes, not threads: threads wait for the GIL so
often that two write no faster than one. The bytes do not depend on their number.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from plates.columns import SPLITS
from plates.efficientdet.data.tfrecords import example, plan
from plates.efficientdet.data.tfrecords.framing import frame
from plates.efficientdet.data.tfrecords.manifest import FILE_NAME, Manifest, Shard, SplitExamples
from plates.errors import UserError
from plates.files import atomic, remove, write_json
from plates.workers import processes

Progress = Callable[[int, int], None]
MEBI = 2**20
PER_WORKER = 2048 * MEBI  # bytes; writing so many takes longer than starting a process
_FORMAT = 1
_OVERHEAD = 700


def write(
    boxes: pa.Table | pd.DataFrame,
    splits: pa.Table | pd.DataFrame,
    label_map: dict[int, str],
    photographs: plan.Photographs,
    folder: Path,
    **options: Any,
) -> Manifest:
    """`write_images` of tables in memory, with its `options`.

    Args:
        boxes: the columns of `labels.parquet`; a row with class null is an image without a plate.
        splits: the columns of `splits.parquet`, which says what is written.
        label_map: as in `write_images`.
        photographs: likewise.
        folder: likewise.
    """
    return write_images(plan.images_table(boxes, splits, label_map), label_map, photographs, folder, **options)


def write_images(
    images: pa.Table,
    label_map: dict[int, str],
    photographs: plan.Photographs,
    folder: Path,
    *,
    work: Path | None = None,
    seed: int = 0,
    shard_mib: float = 128,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Writes `folder` with the shards of all images and `manifest.json`, which it returns.

    Args:
        images: of `plan.images_table` or `plan.images_from`.
        label_map: class names by id.
        photographs: gives their JPEGs.
        folder: replaced.
        work: keeps finished shards of a run that was cut off; None: a hidden folder beside `folder`.
        seed: of the order.
        shard_mib: size of a shard in MiB, about.
        workers: most processes to start, if there is enough work for them; None: one per core.
        progress: called after every shard with the images done and the total.

    Raises:
        UserError: the tables are inconsistent; files are missing, changed since the scan, not JPEGs or outside their
            root; the disk is full. `folder` is then unchanged, and finished shards are kept for the next run.
    """
    planned = plan.shards(images, photographs, seed, round(shard_mib * MEBI))
    work = work or folder.with_name(f".{folder.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    needed = sum(shard.bytes + len(shard.rows) * _OVERHEAD for shard in planned)
    _check_space(work, needed)
    ids = {name: number for number, name in label_map.items()}
    workers = min(workers or os.cpu_count() or 1, len(planned), 1 + needed // PER_WORKER)
    taken = ((shard.file, plan.rows_of(images, shard.rows)) for shard in planned)
    done: list[tuple[Path, Shard]] = []
    written = 0
    try:
        with processes(workers, needs=work) as each:
            for path, shard in each(partial(_shard, ids, photographs, work), taken):
                done.append((path, shard))
                written += shard.examples
                if progress:
                    progress(written, len(images))
        manifest = _manifest(images, [shard for _, shard in done], label_map)
        write_json(work / FILE_NAME, manifest.model_dump(mode="json"))
        with atomic(folder) as temporary:
            temporary.mkdir()
            for path, shard in done:
                _place(path, temporary / shard.file)
            _place(work / FILE_NAME, temporary / FILE_NAME)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(work, needed) from error
        raise
    remove(work)
    return manifest


def _shard(
    ids: dict[str, int], photographs: plan.Photographs, work: Path, taken: tuple[str, pa.Table]
) -> tuple[Path, Shard]:
    name, images = taken
    rows = images.to_pylist()
    content = json.dumps([_FORMAT, ids, rows], sort_keys=True, default=float).encode()
    path = work / f"{hashlib.sha256(content).hexdigest()}.tfrecord"
    note = path.with_suffix(".json")
    if path.exists() and note.exists():
        kept = Shard.model_validate_json(note.read_text())
        if path.stat().st_size == kept.bytes and _sha256(path) == kept.sha256:
            return path, kept.model_copy(update={"file": name})
    digest = hashlib.sha256()
    with atomic(path) as temporary, temporary.open("wb", buffering=0) as stream:
        for row in rows:
            framed = frame(example.to_bytes(row, _jpeg(photographs, row), ids))
            digest.update(framed)
            _write_all(stream, framed)
        size = stream.tell()
    finished = Shard(file=name, examples=len(rows), bytes=size, sha256=digest.hexdigest())
    write_json(note, finished.model_dump())
    return path, finished


def _write_all(stream: Any, data: bytes) -> None:
    written = stream.write(data)
    while written < len(data):
        written += stream.write(data[written:])


def _jpeg(photographs: plan.Photographs, row: dict[str, Any]) -> bytes:
    encoded = photographs.read(row["path"], row["sha256"])
    if not encoded.startswith(b"\xff\xd8\xff"):
        raise UserError(
            f"{row['path']} is not a JPEG, despite its name: remove it from {photographs.root}, then "
            "run `plates materialize raw_images`"
        )
    return encoded


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_space(work: Path, needed: int) -> None:
    reusable = sum(file.stat().st_size for file in work.glob("*.tfrecord"))
    if shutil.disk_usage(work).free + reusable < needed:
        raise _full(work, needed)


def _full(work: Path, needed: int) -> UserError:
    free = shutil.disk_usage(work).free
    return UserError(
        f"the disk of {work.parent} is full: the TFRecords need {needed / MEBI:.0f} MiB and "
        f"{free / MEBI:.0f} MiB are free. Free some space and run again; finished shards in {work} are kept"
    )


def _place(path: Path, target: Path) -> None:
    """Links, so that the work folder keeps all shards if the run ends here; moves if it cannot, as to another disk."""
    try:
        target.hardlink_to(path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV):
            raise
        shutil.move(path, target)


def _manifest(images: pa.Table, shards: list[Shard], label_map: dict[int, str]) -> Manifest:
    splits, class_counts = {}, {}
    for split in SPLITS:
        of_split = images.select(["class", "crowd"]).filter(pc.equal(images["split"], split))
        real = pc.invert(pc.list_flatten(of_split["crowd"]))
        counted = pc.value_counts(pc.list_flatten(of_split["class"]).filter(real)).to_pylist()
        names = {count["values"]: count["counts"] for count in counted}
        per_image = pc.list_value_length(of_split["class"]).to_numpy()
        owners = pc.list_parent_indices(of_split["class"]).filter(real)
        splits[split] = SplitExamples(
            images=len(per_image),
            boxes=len(owners),
            negatives=len(per_image) - len(owners.unique()),
            max_boxes=int(per_image.max(initial=0)),
            shards=[shard for shard in shards if shard.file.startswith(f"{split}-")],
        )
        class_counts[split] = {name: names.get(name, 0) for name in label_map.values()}
    return Manifest(label_map=label_map, splits=splits, class_counts=class_counts)
