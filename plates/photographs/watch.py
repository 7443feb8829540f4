"""Whether the photographs of a folder are stable, and how they differ from those of the last scan."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates.photographs.scan import LISTING_SCHEMA, Scan, listing
from plates.remote import Place

TOLD_BY = ("bytes", "mtime_ns")
"""What distinguishes a changed photograph from one whose folder was only moved or had its permissions set."""


class Look(NamedTuple):
    """What lay under a root at one moment.

    Attributes:
        fingerprint: of every folder and photograph: path, times of modification and of change, entries, size.
        photographs: `plates.photographs.scan.LISTING_SCHEMA`.
        unreadable: folders and files that could not be looked at, with the system's reason.
    """

    fingerprint: str
    photographs: pa.Table
    unreadable: list[str]


class Changes(NamedTuple):
    """Numbers of photographs that were added, changed and removed."""

    came: int
    changed: int
    gone: int

    def __str__(self) -> str:
        return f"{self.came:,} added, {self.changed:,} changed, {self.gone:,} removed"


def look(root: Place) -> Look:
    """Looks at every folder and photograph under `root`, and opens none.

    The times of change are among what is looked at: `cp -a` and `tar -p` keep the others, and nobody can set these. A
    store has no folders to look at, and makes an object whole or not at all.
    """
    found = Scan()
    photographs = pa.concat_tables([LISTING_SCHEMA.empty_table(), *listing(root, found)])
    digest = hashlib.sha256()
    for batch in photographs.to_batches():
        digest.update(batch.serialize())
    for folder, folders, files in os.walk(root) if isinstance(root, Path) else ():
        folders.sort()
        try:
            status = os.stat(folder)
        except OSError as error:
            found.unreadable.append(f"{folder}: {error.strerror}")  # such as a folder that was moved meanwhile
            continue
        seen = (os.fsencode(folder), status.st_mtime_ns, status.st_ctime_ns, len(folders) + len(files))
        digest.update(repr(seen).encode())
    return Look(digest.hexdigest()[:32], photographs, found.unreadable)


def changes(photographs: pa.Table, scan_cache: Path) -> Changes | None:
    """How photographs (`LISTING_SCHEMA`) differ from those that the last scan found; None if these are unknown."""
    try:
        scanned = pq.read_table(scan_cache, columns=["path", *TOLD_BY])
    except (OSError, pa.ArrowException):
        return None
    at = pc.index_in(photographs["path"], scanned["path"])
    known = pc.is_valid(at)
    same = known
    for name in TOLD_BY:
        same = pc.and_(same, pc.fill_null(pc.equal(pc.take(scanned[name], at), photographs[name]), False))
    there = pc.sum(known).as_py() or 0
    stayed = pc.sum(same).as_py() or 0
    return Changes(len(photographs) - there, there - stayed, len(scanned) - there)
