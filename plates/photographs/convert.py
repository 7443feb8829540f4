"""Converts photographs of other kinds and turned JPEGs to upright JPEGs: encoded once, kept by content.

Transparent pixels become white, 16 bits a channel the upper eight. What is kept is named by its own SHA-256 and found
by that of its source, so that a photograph that moves is not encoded again.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from plates.files import read_cache, write_parquet
from plates.photographs import turn
from plates.photographs.content import Photographs
from plates.photographs.decode import DECODED_SCHEMA, MOST_MEGAPIXELS, look
from plates.photographs.header import NOT_JPEG, TURNED
from plates.photographs.scan import RAW_IMAGES_SCHEMA
from plates.photographs.turn import upright

KINDS = ("PNG", "WebP", "BMP", "TIFF", "GIF")
CONVERTED_SCHEMA = pa.schema(
    [
        *RAW_IMAGES_SCHEMA,
        pa.field("source", pa.string(), metadata={"description": "what the file is; null: its own bytes are used"}),
        pa.field("source_sha256", pa.string(), metadata={"description": "hash of the file, if another JPEG is used"}),
        pa.field(
            "orientation", pa.int8(), metadata={"description": "EXIF orientation that it was turned by; null: none"}
        ),
    ]
)
TAKEN_SCHEMA = CONVERTED_SCHEMA.append(DECODED_SCHEMA.field("dhash"))
"""Schema of `data/raw_images.parquet`: the images, and what decoding found."""
MADE = ("sha256", "width", "height", "problem", "source", "orientation")
CODE = (Path(__file__), Path(turn.__file__))  # another code may make other JPEGs
CACHE_SCHEMA = pa.schema(
    [("source_sha256", pa.string()), ("quality", pa.int16())] + [CONVERTED_SCHEMA.field(name) for name in MADE],
    metadata={"code": hashlib.sha256(b"".join(file.read_bytes() for file in CODE)).hexdigest()},
)
KEEPING = Lock()
KEPT_AFTER = 2_000  # photographs: a killed run loses no more than so many


def as_they_are(images: pa.Table) -> pa.Table:
    """A scan's table as one of `CONVERTED_SCHEMA`, with nothing converted."""
    for field in list(CONVERTED_SCHEMA)[len(RAW_IMAGES_SCHEMA) :]:
        images = images.append_column(field, pa.nulls(len(images), field.type))
    return images


def convertible(images: pa.Table) -> pa.ChunkedArray:
    """Whether [N] each image of a scan's table can be converted to another JPEG."""
    foreign = [f"{NOT_JPEG}a {kind}" for kind in KINDS]
    known = pc.or_kleene(pc.is_in(images["problem"], pa.array(foreign)), pc.starts_with(images["problem"], TURNED))
    return pc.fill_null(known, False)


def convert_images(
    images: pa.Table,
    photographs: Photographs,
    cache: Path,
    quality: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """A scan's table with upright JPEGs in place of what is `convertible`: `CONVERTED_SCHEMA`.

    Args:
        images: the scan's table.
        photographs: where they are, and where what is made of them is kept (`converted`).
        cache: Parquet of what was made, by content; brought up to date every `KEPT_AFTER` photographs.
        quality: of the JPEGs, 1 to 100; colours are not subsampled.
        workers: threads (None: one per core).
        progress: called with photographs done and to do.
    """
    mask = convertible(images)
    chosen = images.filter(mask)
    known = _known(cache, quality, photographs)
    new = chosen.filter(pc.invert(pc.is_in(chosen["sha256"], known["source_sha256"].combine_chunks())))
    todo = new.group_by("sha256").aggregate([("path", "min")]).to_pylist()
    for start in range(0, len(todo), KEPT_AFTER):
        made = []
        for row in _made(photographs, todo[start : start + KEPT_AFTER], quality, workers):
            made.append(row)
            if progress:
                progress(start + len(made), len(todo))
        known = pa.concat_tables([known, pa.Table.from_pylist(made, CACHE_SCHEMA)])
        write_parquet(cache, known)
    at = pc.index_in(images["sha256"], known["source_sha256"].combine_chunks())
    return _replaced(as_they_are(images), known, pc.if_else(mask, at, None))


def _replaced(images: pa.Table, made: pa.Table, at: pa.ChunkedArray) -> pa.Table:
    """`images` with what was made of them: `at` is the row of `made` for each, null if unchanged."""
    taken = pc.is_valid(at)
    columns = {name: pc.if_else(taken, pc.take(made[name], at), images[name]) for name in MADE}
    whole = pc.and_(taken, pc.is_null(columns["problem"]))
    columns["source_sha256"] = pc.if_else(whole, images["sha256"], None)
    for name, column in columns.items():
        images = images.set_column(images.schema.get_field_index(name), CONVERTED_SCHEMA.field(name), column)
    return images


def _known(cache: Path, quality: int, photographs: Photographs) -> pa.Table:
    """What was made earlier at this quality and still exists."""
    known = read_cache(cache, CACHE_SCHEMA, filters=[("quality", "=", quality)])
    if known is None:
        return CACHE_SCHEMA.empty_table()
    known = known.cast(CACHE_SCHEMA)
    there = [
        problem is not None or photographs.has_converted(sha256)
        for problem, sha256 in zip(known["problem"].to_pylist(), known["sha256"].to_pylist(), strict=True)
    ]
    return known.filter(pa.array(there, pa.bool_()))


def _made(
    photographs: Photographs, todo: list[dict[str, str]], quality: int, workers: int | None
) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        yield from pool.map(partial(_make, photographs, quality), todo)


def _make(photographs: Photographs, quality: int, row: dict[str, str]) -> dict[str, Any]:
    """One row of the cache; the JPEG is kept."""
    source = row["sha256"]
    content = photographs.read(row["path_min"], source)
    known: dict[str, Any] = {"source_sha256": source, "quality": quality, "sha256": source}
    try:
        jpeg, size, kind, orientation = upright_jpeg(content, quality)
    except ValueError as error:
        return known | {"problem": f"damaged: {error}"}
    with KEEPING:  # two sources can have the same picture
        digest = photographs.keep(jpeg)
    made = {"sha256": digest, "width": size[0], "height": size[1], "source": kind}
    return known | made | {"orientation": orientation if orientation > 1 else None}


def upright_jpeg(content: bytes, quality: int) -> tuple[bytes, tuple[int, int], str, int]:
    """An upright JPEG of a picture, its size (width, height), what it was, and the EXIF orientation it was turned by.

    Raises:
        ValueError: it does not decode completely, is an animation, has over `MOST_MEGAPIXELS`, or its pixels are not
            colours (32-bit numbers).
    """
    if content.startswith(b"\xff\xd8"):
        damage, _ = look(content)
        if damage:
            raise ValueError(damage.removeprefix("damaged: "))
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG", *(kind.upper() for kind in KINDS)]) as image:
            if image.width * image.height > MOST_MEGAPIXELS * 10**6:
                raise ValueError(f"over {MOST_MEGAPIXELS} megapixels")
            form = "JPEG" if image.format == "MPO" else image.format  # a phone's JPEG with a second picture behind it
            if form != "JPEG" and (frames := getattr(image, "n_frames", 1)) > 1:
                raise ValueError(f"an animation or a stack of {frames} pictures")
            kind = f"{form} {image.mode}"
            picture, orientation = upright(image)
            picture = plain(picture)
            stream = io.BytesIO()
            picture.save(stream, "JPEG", quality=quality, subsampling=0)
    except ValueError:
        raise
    except Exception as error:  # Pillow raises nearly anything for a damaged file, and OSError for a side over 65,500
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return stream.getvalue(), picture.size, kind, orientation


def plain(image: Image.Image) -> Image.Image:
    """The picture in RGB or grey, eight bits a channel.

    Raises:
        ValueError: its pixels are 32-bit numbers without a defined black and white.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image.convert("I")) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers, not colours")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layered).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")
