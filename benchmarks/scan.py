"""Scans a tree: the first time, at reading speed; later, unchanged, from the cache. Also draws scenes.

    python benchmarks/scan.py [COUNT]

The unchanged tree has COUNT files of a few bytes, because only their number matters then. Target: 350,000 under 10 s.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from measure import measured, save, table
from trees import make_tree

from plates.ccpd.scenes.layout import lay_out
from plates.ccpd.scenes.render import render
from plates.photographs.content import Photographs
from plates.photographs.decode import decode_images
from plates.photographs.scan import RAW_IMAGES_SCHEMA, scan

REAL = 30_000
SCENES = 200
PER_FOLDER = 10_000


def small_tree(root: Path, count: int) -> None:
    """`count` files with names of CCPD's length, each too small to be a photograph."""
    for number in range(count):
        folder = root / f"{number // PER_FOLDER:02d}" / "ccpd_base"
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        name = f"025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-{number}.jpg"
        (folder / name).write_bytes(b"\xff\xd8\xff\xd9")


def scanning(root: Path, cache: Path) -> dict[str, float]:
    return {"count": len(scan(root, cache).table)}


def leave_memory(root: Path) -> None:
    """Drops the files from the page cache, so that the next read is from the disk."""
    os.sync()
    for file in root.rglob("*.jpg"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def reading(root: Path) -> dict[str, float]:
    """Reads the same bytes one file after another, and discards them."""
    files = sorted(root.rglob("*.jpg"))
    started = time.perf_counter()
    for file in files:
        file.read_bytes()
    return {"count": len(files), "seconds": time.perf_counter() - started}


def decoding(root: Path, scanned: Path, cache: Path) -> dict[str, float]:
    """Decodes all photographs in full, as after the first scan; each has different content."""
    images = pq.read_table(scanned).select(RAW_IMAGES_SCHEMA.names)
    own = pa.array([f"{number:064x}" for number in range(len(images))])
    images = images.set_column(RAW_IMAGES_SCHEMA.get_field_index("sha256"), "sha256", own)
    started, cpu = time.perf_counter(), time.process_time()
    decode_images(images, Photographs(root), cache)
    return {
        "count": len(images),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
    }


def drawing(count: int) -> dict[str, float]:
    """Scenes on one core, after the banks of textures are made."""
    for index in range(20):
        render(1, lay_out(1, index, 0.3))
    started, cpu = time.perf_counter(), time.process_time()
    for index in range(count):
        render(0, lay_out(0, index, 0.3))
    return {"count": count, "seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}


def main(count: int = 350_000) -> None:
    with tempfile.TemporaryDirectory() as base:
        real, small, cache = Path(base, "real"), Path(base, "small"), Path(base, "cache.parquet")
        make_tree(real, REAL)
        small_tree(small, count)
        rows = {}
        for place in ("memory", "disk"):
            for name, work in (("only read", (reading, real)), ("first scan", (scanning, real, Path(base, place)))):
                if place == "disk":
                    leave_memory(real)
                rows[f"photographs from {place}, {name}"] = measured(*work)
        rows |= {
            "photographs decoded in full": measured(
                decoding, real, Path(base, "memory"), Path(base, "decoded.parquet")
            ),
            "small files, first scan": measured(scanning, small, cache),
            "small files, unchanged": measured(scanning, small, cache),
        }
    rows["scenes drawn"] = measured(drawing, SCENES)
    table(rows, "files")
    print(f"unchanged scan of {count:,} files: {rows['small files, unchanged']['seconds']:.1f} s")
    save("scan", rows)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
