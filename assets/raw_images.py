"""Every image under `data.root`: subset, name, size and content hash, and whether it decodes completely.

Without a `data.root`, scenes are drawn first.
A file whose size and time have not changed since the last scan is not read again, and no content is decoded twice, so
350,000 unchanged photographs take seconds. Nothing is written to the folder.
"""

import hashlib
import json
import os
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from plates.ccpd.subsets import find_lists
from plates.files import remove, write_json, write_parquet
from plates.photographs.content import Photographs
from plates.photographs.convert import TAKEN_SCHEMA, as_they_are, convert_images, convertible
from plates.photographs.decode import decode_images
from plates.photographs.scan import not_read, scan
from plates.remote import Remote, read
from stages.run import Run
from stages.stage import Output, asset
from stages.tables import described

PICTURES = 6


@asset(
    params=["data.root", "data.annotations", "data.convert", "data.convert_quality", "data.sample"],
    writes=[Output("data/raw_images.parquet", schema=TAKEN_SCHEMA)],
    group="data",
    kinds={"parquet", "jpeg"},
    description=__doc__,
    always=True,
)
def raw_images(run: Run) -> dict[str, Any]:
    if run.params.data.root is None:
        draw_sample(run)
    found = scan(
        run.project.photographs,
        cache_path=run.project.scan_cache,
        progress=run.progress.counter("photographs"),
    )
    if found.foreign:
        run.progress.say(not_read(found.foreign))
    photographs = Photographs(run.project.photographs, run.project.converted, run.project.scan_cache)
    images = decode_images(
        taken_in(run, found.table, photographs),
        photographs,
        cache=run.project.scratch / "decoded.parquet",
        progress=run.progress("photographs decoded"),
    )
    write_parquet(run.project.path("data/raw_images.parquet"), images.replace_schema_metadata(beside(run)))
    frame: pd.DataFrame = images.select(["subset", "bytes", "problem"]).to_pandas()
    subsets = frame.groupby("subset").agg(images=("bytes", "size"), MiB=("bytes", lambda sizes: sizes.sum() / 2**20))
    if found.unreadable:
        run.log.warning(
            f"{len(found.unreadable):,} files or folders cannot be read: " + "; ".join(found.unreadable[:5])
        )
    return {
        **described(TAKEN_SCHEMA, len(frame)),
        "pictures": dg.MetadataValue.md(pictures(run, images)),
        "images": len(frame),
        "symbolic links skipped": found.links,
        "files that are not images": found.other_files,
        "unusable": int(frame["problem"].notna().sum()),
        "converted": len(images) - images["source"].null_count,
        "turned upright": len(images) - images["orientation"].null_count,
        "bytes": int(frame["bytes"].sum()),
        "read now": found.read,
        "subsets": dg.MetadataValue.md(subsets.round(1).to_markdown()),
    }


def taken_in(run: Run, images: pa.Table, photographs: Photographs) -> pa.Table:
    """The scan's images, with upright JPEGs in place of other images if `data.convert` says so."""
    params = run.params.data
    if params.convert == "when_needed":
        return convert_images(
            images,
            photographs,
            cache=run.project.scratch / "converted.parquet",
            quality=params.convert_quality,
            progress=run.progress("photographs converted"),
        )
    if able := pc.sum(convertible(images)).as_py():
        run.progress.say(
            f"{able:,} photographs are not JPEGs or not upright. To convert them: plates run --set "
            "data.convert=when_needed"
        )
    return as_they_are(images)


def beside(run: Run) -> dict[str, str]:
    """The user's other files that later stages read, by path and SHA-256: the official lists and the COCO annotations.

    Kept in the table, so that a change to them makes downstream assets stale.
    """
    root, annotations = run.project.photographs, run.project.annotations
    lists = [file for files in find_lists(root).values() for file in files]
    found = {file.relative_to(root).as_posix(): file for file in lists}
    if annotations and annotations.is_file():
        found["data.annotations"] = annotations
    return {
        name: hashlib.sha256(read(file)).hexdigest()
        for name, file in sorted(found.items())
        if isinstance(file, Remote) or os.access(file, os.R_OK)
    }


def pictures(run: Run, images: pa.Table) -> str:
    """A few photographs, evenly over the folder, as Markdown."""
    from plates.card.pictures import of_files
    from plates.pages.sheets import markdown

    few = images.take(np.unique(np.linspace(0, len(images) - 1, PICTURES).astype(np.int64))).to_pydict()
    return markdown(of_files(few["path"], run.project.photographs, few["subset"]))


def draw_sample(run: Run) -> None:
    """Draws the sample of `data.sample`, unless the existing one was drawn with the same code and settings."""
    from plates.ccpd.scenes import generate

    settings = run.params.data.sample
    folder, note = run.project.sample, run.project.scratch / "sample.json"
    if folder.is_dir() and note.exists() and note.read_bytes() == f"{json.dumps(run.version)}\n".encode():
        return
    remove(folder)
    generate(folder, progress=run.progress.counter("scenes", settings.count), **settings.model_dump())
    write_json(note, run.version)
