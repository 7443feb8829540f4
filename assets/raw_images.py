"""Every image under `data.root`: subset, name, size and content hash, and whether it decodes completely.

Without a `data.root`, scenes are drawn first.
A file whose size and time have not changed since the last scan is not read again, and no content is decoded twice, so
350,000 unchanged photographs take seconds. Nothing is written to the folder.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates import parts
from plates.files import parquet_writer, remove, write_json
from plates.photographs.beside import beside, hashes
from plates.photographs.content import Photographs
from plates.photographs.convert import TAKEN_SCHEMA, convertible
from plates.photographs.intake import taken_in
from plates.photographs.scan import RAW_IMAGES_SCHEMA, not_read, scan
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
    file, photographs = run.project.path("data/raw_images.parquet"), Photographs.of(run.project)
    subsets: list[pd.DataFrame] = []
    counts: Counter[str] = Counter()
    others = hashes(beside(run.project))  # in the table, so that a change to them makes what depends on it stale
    with parquet_writer(file, TAKEN_SCHEMA.with_metadata(others)) as write:
        for images in parts.read(run.project.scan_cache, RAW_IMAGES_SCHEMA.names):
            counts["able"] += pc.sum(convertible(images)).as_py() or 0
            taken = taken_in(images, photographs, run.project.scratch, run.params.data, run.progress)
            write(taken)
            for name in ("problem", "source", "orientation"):
                counts[name] += len(taken) - taken[name].null_count
            subsets.append(
                taken.select(["subset", "bytes"]).to_pandas().groupby("subset")["bytes"].agg(["size", "sum"])
            )
    if counts["able"] and run.params.data.convert != "when_needed":
        run.progress.say(
            f"{counts['able']:,} photographs are not JPEGs or not upright. To convert them: plates run --set "
            "data.convert=when_needed"
        )
    sizes = pd.concat(subsets).groupby("subset").sum()
    of_subsets = pd.DataFrame({"images": sizes["size"], "MiB": sizes["sum"] / 2**20})
    if found.unreadable:
        run.log.warning(
            f"{len(found.unreadable):,} files or folders cannot be read: " + "; ".join(found.unreadable[:5])
        )
    return {
        **described(TAKEN_SCHEMA, found.kept + found.read),
        "pictures": dg.MetadataValue.md(pictures(run, file)),
        "images": found.kept + found.read,
        "symbolic links skipped": found.links,
        "files that are not images": found.other_files,
        "unusable": counts["problem"],
        "converted": counts["source"],
        "turned upright": counts["orientation"],
        "bytes": int(sizes["sum"].sum()),
        "read now": found.read,
        "subsets": dg.MetadataValue.md(of_subsets.round(1).to_markdown()),
    }


def pictures(run: Run, file: Path) -> str:
    """A few photographs, evenly over the folder, as Markdown."""
    from plates.card.pictures import of_files
    from plates.pages.sheets import markdown

    wanted = np.unique(np.linspace(0, pq.read_metadata(file).num_rows - 1, PICTURES).astype(np.int64))
    few, start = [], 0
    for images in parts.read(file, ["path", "subset"]):
        few += images.take(wanted[(wanted >= start) & (wanted < start + len(images))] - start).to_pylist()
        start += len(images)
    return markdown(of_files([row["path"] for row in few], run.project.photographs, [row["subset"] for row in few]))


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
