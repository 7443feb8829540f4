"""Checks that need a photograph's pixels: whether it decodes completely, and a perceptual hash.

libjpeg fills the missing parts of a damaged file with grey and only warns; here that is an error. The hash is
dHash: the picture at 9x8 grey pixels, one bit for each pixel that is brighter than its right neighbour.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import simplejpeg
from PIL import Image

from plates import parts
from plates.efficientdet.data import jpeg
from plates.files import parquet_writer
from plates.photographs.content import Photographs
from plates.photographs.header import TURNED
from plates.photographs.scan import RAW_IMAGES_SCHEMA
from plates.remote import Remote, readers
from plates.workers import threads

DECODED_SCHEMA = RAW_IMAGES_SCHEMA.append(pa.field("dhash", pa.uint64()))
CACHE_SCHEMA = pa.schema(
    [("sha256", pa.string()), ("damage", pa.string()), ("dhash", pa.uint64())],
    metadata={
        "code": hashlib.sha256(b"".join(Path(file).read_bytes() for file in (__file__, jpeg.__file__))).hexdigest(),
        "decoder": simplejpeg.__version__,
    },
)

MOST_MEGAPIXELS = 170
"""A larger image is not decoded: Pillow treats one over 179 as a decompression bomb."""

SMALLER = 8  # times, which spares most of the inverse transform; every coefficient is decoded all the same
AT_ONCE = 64  # photographs of one thread
KEPT_AFTER = 20_000  # photographs: a killed run loses no more than so many


def decode_images(
    images: pa.Table,
    photographs: Photographs,
    cache: Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Adds to a scan's table what decoding found: `problem`, and `dhash`, null if it does not decode.

    Each content is decoded once. Files that the scan knows not to decode are left alone, as are those of more than
    `MOST_MEGAPIXELS`.

    Args:
        images: a scan's table.
        photographs: where they are read.
        cache: Parquet of what is known by content; brought up to date every `KEPT_AFTER` photographs.
        workers: threads (None: one per core, more for a store).
        progress: called with photographs done and to do.

    Returns:
        The table, in `DECODED_SCHEMA`.
    """
    known = _known(cache, images["sha256"])
    whole = pc.or_kleene(pc.is_null(images["problem"]), pc.starts_with(images["problem"], TURNED))
    small = pc.less_equal(pc.multiply(images["width"].cast("int64"), images["height"]), MOST_MEGAPIXELS * 10**6)
    new = pc.invert(pc.is_in(images["sha256"], known["sha256"].combine_chunks()))
    todo = images.filter(pc.and_kleene(pc.and_kleene(whole, small), new))
    todo = todo.group_by("sha256").aggregate([("path", "min")])
    for start in range(0, len(todo), KEPT_AFTER):
        part = todo.slice(start, KEPT_AFTER)
        found: list[tuple[str | None, int | None]] = []
        jobs = list(zip(part["path_min"].to_pylist(), part["sha256"].to_pylist(), strict=True))
        for looks in _looks(photographs, jobs, workers):
            found += looks
            if progress:
                progress(start + len(found), len(todo))
        damage, hashes = zip(*found, strict=True)
        columns = [part["sha256"].combine_chunks(), pa.array(damage, pa.string()), pa.array(hashes, pa.uint64())]
        decoded = pa.table(columns, schema=CACHE_SCHEMA)
        known = pa.concat_tables([known, decoded])
        _keep(cache, decoded)
    at = pc.index_in(images["sha256"], known["sha256"].combine_chunks())
    problem = pc.coalesce(pc.take(known["damage"], at), images["problem"])
    images = images.set_column(images.schema.get_field_index("problem"), DECODED_SCHEMA.field("problem"), problem)
    return images.append_column(DECODED_SCHEMA.field("dhash"), pc.take(known["dhash"], at))


def look(content: bytes) -> tuple[str | None, int | None]:
    """What is wrong with a JPEG (None: it decodes completely), and its dHash (None: it does not)."""
    try:
        pixels = simplejpeg.decode_jpeg(content, jpeg.colours(content), min_factor=SMALLER)
    except ValueError as error:
        return f"damaged: {str(error).strip()}", None
    return None, dhash(pixels.mean(axis=2).astype(np.uint8) if pixels.shape[2] > 1 else pixels[..., 0])


def _looks(
    photographs: Photographs, jobs: list[tuple[str, str]], workers: int | None
) -> Iterator[list[tuple[str | None, int | None]]]:
    """`look` at each photograph (path and SHA-256), in order, some at a time."""
    root = photographs.root
    workers = workers or readers(root, os.cpu_count() or 1)
    with threads(workers, needs=None if isinstance(root, Remote) else root) as each:
        yield from each(
            partial(_several, photographs), [jobs[start : start + AT_ONCE] for start in range(0, len(jobs), AT_ONCE)]
        )


def _several(photographs: Photographs, jobs: list[tuple[str, str]]) -> list[tuple[str | None, int | None]]:
    return [look(photographs.read(path, sha256)) for path, sha256 in jobs]


def dhash(grey: np.ndarray) -> int:
    """The hash of a picture [height, width], uint8."""
    small = np.asarray(Image.fromarray(grey).resize((9, 8), Image.Resampling.BOX), np.int16)
    return int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes(), "big")


def _known(cache: Path, contents: pa.ChunkedArray) -> pa.Table:
    """What is known of these contents."""
    found = [CACHE_SCHEMA.empty_table()]
    if parts.sound(cache, CACHE_SCHEMA):
        found += [part.filter(pc.is_in(part["sha256"], contents)) for part in parts.read(cache)]
    return pa.concat_tables(found)


def _keep(cache: Path, decoded: pa.Table) -> None:
    """Adds rows to what is known."""
    before = parts.read(cache) if parts.sound(cache, CACHE_SCHEMA) else []
    with parquet_writer(cache, CACHE_SCHEMA) as write:
        for part in before:
            write(part)
        write(decoded)
