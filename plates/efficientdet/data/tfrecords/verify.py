"""Reads shards back and compares every example with the table it was written from."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from plates.efficientdet.data.jpeg import decoded_size
from plates.efficientdet.data.tfrecords import plan
from plates.efficientdet.data.tfrecords.compare import differences
from plates.efficientdet.data.tfrecords.example import Example, from_bytes
from plates.efficientdet.data.tfrecords.framing import payloads
from plates.efficientdet.data.tfrecords.manifest import read_manifest
from plates.efficientdet.data.tfrecords.paths import Paths
from plates.efficientdet.data.tfrecords.write import Progress
from plates.errors import UserError

_CHUNK = 128  # examples in memory at a time


@dataclass(frozen=True)
class Problem:
    """One difference between the TFRecords and the table.

    `kind` is one of shard, example, image, size, content, boxes, classes, crowds, corners, split, missing, twice,
    unknown, count; `where` the shard, and the image if known.
    """

    kind: str
    where: str
    found: str


@dataclass
class Verification:
    """The result: examples and boxes that could be read, and every problem."""

    examples: int = 0
    boxes: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def by_kind(self) -> dict[str, int]:
        """Number of problems of each kind."""
        return dict(Counter(problem.kind for problem in self.problems))


def read(shard: Path) -> Iterator[Example]:
    """The examples of a shard, ours or another writer's of the same features.

    Raises:
        UserError: as `payloads` and `from_bytes`.
    """
    return map(from_bytes, payloads(shard))


def verify(
    folder: Path, boxes: pa.Table | pd.DataFrame, splits: pa.Table | pd.DataFrame, **options: Any
) -> Verification:
    """`verify_images` of tables in memory, with its `options`."""
    return verify_images(folder, plan.images_table(boxes, splits, read_manifest(folder).label_map), **options)


def verify_images(
    folder: Path, images: pa.Table, *, workers: int | None = None, progress: Progress | None = None
) -> Verification:
    """Reads all shards of `folder` and compares them with the table of images they were written from.

    Checked: each shard's size, SHA-256 and count; each example's CRCs; each image's content hash, that it decodes to
    the last coefficient, and its size; boxes, classes and corners against the table; that every image is in its
    split exactly once.

    Args:
        folder: of the shards.
        images: of `plan.images_table` or `plan.images_from`.
        workers: decoding threads; None: one per core.
        progress: called on this thread with the examples read and the total.

    Raises:
        UserError: there is no manifest; everything else is in the report.
    """
    manifest = read_manifest(folder)
    paths = images["path"]
    index = Paths(paths)
    report = Verification()
    seen = np.zeros(len(paths), int)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for split, shard in ((name, shard) for name, part in manifest.splits.items() for shard in part.shards):
            report.problems += _file_problems(folder / shard.file, shard.bytes, shard.sha256)
            count = 0
            for chunk in _chunks(folder / shard.file, report.problems):
                examples = list(_parsed(chunk, shard.file, report.problems))
                rows = index.find([example.path for example in examples])
                np.add.at(seen, rows[rows >= 0], 1)
                expected = plan.rows_of(images, rows).to_pylist()
                checks = pool.map(partial(_check, split, manifest.label_map), examples, expected)
                for example, found in zip(examples, checks, strict=True):
                    where = f"{shard.file}: {example.path}"
                    report.problems += [Problem(kind, where, text) for kind, text in found]
                    report.boxes += len(example.boxes)
                count += len(chunk)
                report.examples += len(chunk)
                if progress:
                    progress(report.examples, len(paths))
            if count != shard.examples:
                report.problems.append(
                    Problem(
                        "count",
                        shard.file,
                        f"{count} examples could be read, the manifest says {shard.examples}",
                    )
                )
    report.problems += [Problem("missing", "manifest", path) for path in paths.filter(seen == 0).to_pylist()]
    report.problems += [Problem("twice", "manifest", path) for path in paths.filter(seen > 1).to_pylist()]
    known = {shard.file for part in manifest.splits.values() for shard in part.shards}
    report.problems += [
        Problem("unknown", file.name, "this shard is not in the manifest")
        for file in sorted(folder.glob("*.tfrecord"))
        if file.name not in known
    ]
    return report


def _chunks(path: Path, problems: list[Problem]) -> Iterator[list[bytes]]:
    if not path.exists():
        return
    examples = payloads(path)
    while True:
        chunk: list[bytes] = []
        try:
            chunk.extend(islice(examples, _CHUNK))
        except UserError as error:
            problems.append(Problem("example", path.name, str(error)))
        if not chunk:
            return
        yield chunk


def _file_problems(path: Path, size: int, sha256: str) -> list[Problem]:
    if not path.exists():
        return [Problem("shard", path.name, "the file is missing")]
    with path.open("rb") as stream:
        if (found := path.stat().st_size) != size:
            return [Problem("shard", path.name, f"{found} bytes, the manifest says {size}")]
        if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
            return [Problem("shard", path.name, "its SHA-256 differs from the manifest's")]
    return []


def _parsed(chunk: list[bytes], shard: str, problems: list[Problem]) -> Iterator[Example]:
    for payload in chunk:
        try:
            yield from_bytes(payload)
        except UserError as error:
            problems.append(Problem("example", shard, str(error)))


def _check(split: str, label_map: dict[int, str], example: Example, expected: dict[str, Any]) -> list[tuple[str, str]]:
    """(kind, what) of each problem; `expected` is the example's row of the table, all null if it has none."""
    problems = _image_problems(example)
    if expected["path"] is None:
        return [*problems, ("unknown", "the table has no such image")]
    return problems + differences(example, expected, split, label_map)


def _image_problems(example: Example) -> list[tuple[str, str]]:
    try:
        size = decoded_size(example.encoded)
    except ValueError as error:
        return [("image", f"does not decode: {str(error).strip()}")]
    if size != (example.width, example.height):
        return [("size", f"decoded {size}, the example says {(example.width, example.height)}")]
    return []
