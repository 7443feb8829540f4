"""Reading shards back and holding every record against the table it was written from."""

import hashlib
import io
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
from PIL import Image

from efficientdet.data.records import plan
from efficientdet.data.records.framing import payloads
from efficientdet.data.records.manifest import Manifest, read_manifest
from efficientdet.data.records.record import CORNERS, SIDES, Record, from_bytes
from efficientdet.data.records.write import Progress
from lineage.errors import UserError

_CHUNK = 128
# A float32 share of an image's side, times the side: exact to a thousandth of a pixel up to 8,000 px.
_PIXELS = 1e-3


@dataclass(frozen=True)
class Problem:
    """`kind` is one of shard, record, image, size, content, boxes, classes, corners, split, missing, twice,
    unknown, count; `where` the shard, and the image where known.
    """

    kind: str
    where: str
    found: str


@dataclass
class Verification:
    """What was read: records and boxes that could be, and every problem."""

    records: int = 0
    boxes: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def by_kind(self) -> dict[str, int]:
        """Number of problems of each kind."""
        return dict(Counter(problem.kind for problem in self.problems))


def read(shard: Path) -> Iterator[Record]:
    """The records of a shard, ours or another writer's of the same features. Raises `UserError` as
    `payloads`.
    """
    return map(from_bytes, payloads(shard))


def verify(
    folder: Path,
    boxes: pa.Table | pd.DataFrame,
    splits: pa.Table | pd.DataFrame,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Reads all shards of `folder` and compares them with the tables they came from.

    Checked: each shard's size, SHA-256 and count; each record's CRCs; each image's content hash, its decoding
    to the last coefficient, and its size; boxes, classes and corners against the table; every image in its
    split, once. `progress(records read, records in all)` is called on this thread. Raises `UserError` only
    where there is no manifest, or the tables disagree with each other; everything else is in the report.
    """
    manifest = read_manifest(folder)
    table = plan.images_table(boxes, splits, manifest.label_map)
    expected = {row["path"]: row for row in table.to_pylist()}
    report = Verification()
    seen: Counter[str] = Counter()
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for split, shard in ((name, shard) for name, part in manifest.splits.items() for shard in part.shards):
            report.problems += _file_problems(folder / shard.file, shard.bytes, shard.sha256)
            count = 0
            for chunk in _chunks(folder / shard.file, report.problems):
                for path, number, found in pool.map(partial(_check, expected, split, manifest), chunk):
                    report.problems += [Problem(kind, f"{shard.file}: {path}", text) for kind, text in found]
                    report.boxes += number
                    seen[path] += 1
                count += len(chunk)
                report.records += len(chunk)
                if progress:
                    progress(report.records, len(expected))
            if count != shard.records:
                report.problems.append(
                    Problem(
                        "count",
                        shard.file,
                        f"{count} records could be read, the manifest says {shard.records}",
                    )
                )
    report.problems += [Problem("missing", "manifest", path) for path in expected if not seen[path]]
    report.problems += [Problem("twice", "manifest", path) for path, times in seen.items() if times > 1]
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
    records = payloads(path)
    while True:
        chunk: list[bytes] = []
        try:
            chunk.extend(islice(records, _CHUNK))
        except UserError as error:
            problems.append(Problem("record", path.name, str(error)))
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
            return [Problem("shard", path.name, "its SHA-256 is not the manifest's")]
    return []


def _check(
    expected: dict[str, dict[str, Any]], split: str, manifest: Manifest, payload: bytes
) -> tuple[str, int, list[tuple[str, str]]]:
    """Path and number of boxes of a record, and (kind, what) of each problem with it."""
    try:
        record = from_bytes(payload)
    except UserError as error:
        return "", 0, [("record", str(error))]
    problems = _image_problems(record)
    row = expected.get(record.path)
    if row is None:
        problems.append(("unknown", "the table has no such image"))
    else:
        problems += _differences(record, row, split, manifest.label_map)
    return record.path, len(record.boxes), problems


def _image_problems(record: Record) -> list[tuple[str, str]]:
    """All of the JPEG's coefficients are decoded, which finds what is truncated; the inverse transform, which
    cannot fail, runs at an eighth of the scale.
    """
    try:
        with Image.open(io.BytesIO(record.encoded), formats=["JPEG"]) as image:
            size = image.size
            image.draft(None, (size[0] // 8, size[1] // 8))
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return [("image", f"does not decode: {error}")]
    if size != (record.width, record.height):
        return [("size", f"decoded {size}, the record says {(record.width, record.height)}")]
    return []


def _differences(record: Record, row: dict[str, Any], split: str, label_map: dict[int, str]) -> list[tuple[str, str]]:
    problems = []
    if hashlib.sha256(record.encoded).hexdigest() != row["sha256"]:
        problems.append(("content", "its SHA-256 is not the table's"))
    if row["split"] != split:
        problems.append(("split", f"in {split}, the table says {row['split']}"))
    expected = np.array([row[side] for side in SIDES], float).T.reshape(-1, 4)
    if not _close(expected, record.boxes):
        problems.append(("boxes", f"{record.boxes.tolist()}, the table says {expected.tolist()}"))
    names = [label_map.get(int(label), f"label {label}") for label in record.labels]
    if names != row["class"] or record.names != row["class"]:
        problems.append(("classes", f"{names} named {record.names}, the table says {row['class']}"))
    corners = np.array([row[corner] for corner in CORNERS], float).T.reshape(-1, 8)
    corners = corners if np.isfinite(corners).all() else np.zeros((0, 8))
    found = record.corners if record.corners is not None else np.zeros((0, 8))
    if not _close(corners, found):
        problems.append(("corners", f"{found.tolist()}, the table says {corners.tolist()}"))
    return problems


def _close(expected: np.ndarray, found: np.ndarray) -> bool:
    return expected.shape == found.shape and np.allclose(expected, found, rtol=0, atol=_PIXELS)
