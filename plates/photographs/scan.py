"""Every image under a root: where it is, how large, what is in it, and what is wrong with the file."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates import parts
from plates.ccpd.subsets import SUBSETS, subset_of
from plates.errors import UserError
from plates.files import as_text, parquet_writer
from plates.photographs.header import read_header
from plates.remote import Place, Remote, Status, read, readers
from plates.workers import threads

RAW_IMAGES_SCHEMA = pa.schema(
    [
        ("subset", pa.string()),
        ("name", pa.string()),
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("problem", pa.string()),
    ]
)
READERS = (Path(__file__), Path(__file__).with_name("header.py"))  # another code may find other problems
CODE = hashlib.sha256(b"".join(file.read_bytes() for file in READERS)).hexdigest()
STATUS = {"bytes": "st_size", "mtime_ns": "st_mtime_ns", "ctime_ns": "st_ctime_ns", "inode": "st_ino"}
"""What identifies a file as the one that was read. Size and modification time can be set by whoever replaces it; the
system sets the change time and the inode (which may be over 2^63, and is kept as its remainder).
"""
CACHE_SCHEMA = pa.schema(
    [*RAW_IMAGES_SCHEMA, *(pa.field(name, pa.int64()) for name in STATUS if name != "bytes")], metadata={"code": CODE}
)
LISTING_SCHEMA = pa.schema([CACHE_SCHEMA.field(name) for name in ("subset", "name", "path", *STATUS, "problem")])
READ = ["sha256", "width", "height", "problem"]  # what only the content shows

UNREAD = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw")
"""Photographs that nothing here decodes."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
LARGEST = 256 << 20  # bytes; a photograph beyond it is not read
BATCH = 2048  # files listed at a time
AT_ONCE = 128  # times as many looked up and read: what bounds the memory
READ_AT_ONCE = 512  # files of one thread, between which it need not ask for more
NOT_UTF8 = "the name is not UTF-8"


@dataclass
class Scan:
    """The images under a root, and counts of everything else there.

    Attributes:
        file: Parquet of the images (`CACHE_SCHEMA`), by path.
        foreign: of `other_files`, the photographs of kinds that are not read (`UNREAD`), by suffix.
        unreadable: folders and files that could not be opened, with the system's reason.
    """

    file: Path | None = None
    read: int = 0
    kept: int = 0
    links: int = 0
    other_files: int = 0
    foreign: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    @property
    def table(self) -> pa.Table:
        """The images in memory (`RAW_IMAGES_SCHEMA`)."""
        return pq.read_table(self.file, columns=RAW_IMAGES_SCHEMA.names).cast(RAW_IMAGES_SCHEMA)


def scan(
    root: Place, cache_path: Path, workers: int | None = None, progress: Callable[[int], None] | None = None
) -> Scan:
    """Lists the images under a folder, and reads those that are new once, for their hash and header.

    No pixel is decoded, and nothing is written under the folder. A file that is as in the cache (`STATUS`) is not
    opened, unless the code that reads has changed. Symbolic links are counted and not followed, so none leads in a
    circle or out of the root. In a name that is not UTF-8 the bytes that are not are written as `\\xNN`; such a file is
    noted under `problem` and not read.

    Args:
        root: the folder, on this disk or in a store.
        cache_path: Parquet, outside the root, replaced at the end: also where the images found are.
        workers: threads that read (None: one more than cores; while one reads or hashes, another has Python's lock;
            more for a store, which they wait for).
        progress: called with the number of images done since the last call.

    Raises:
        UserError: the root is missing, not a folder, unreadable, or without any image; a store does not answer.
    """
    _require_folder(root)
    if isinstance(root, Path) and cache_path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"the scan's cache {cache_path} would be in data.root, {root}, which is never written.")
    result = Scan(cache_path)
    known: Iterable[pa.Table] = [CACHE_SCHEMA.empty_table()]
    if parts.sound(cache_path, CACHE_SCHEMA):
        known = parts.read(cache_path, ["path", *STATUS, *READ])
    with parquet_writer(cache_path, CACHE_SCHEMA) as write:
        for files, cached in parts.beside(_together(listing(root, result)), known):
            kept, fresh = _from_cache(files, cached)
            result.kept += len(kept)
            result.read += len(fresh)
            if progress:
                progress(len(kept))
            table = pa.concat_tables([kept, *_read_all(root, fresh, workers, progress, result)])
            write(table.take(pc.sort_indices(table["path"])))
        if not result.kept + result.read:
            raise _without_images(root, result)
    return result


def require_images(root: Place) -> None:
    """Raises `UserError` if the root is missing, not a folder, unreadable, or holds no image: what `scan` would say."""
    _require_folder(root)
    result = Scan()
    if next(_files(root, "", result), None) is None:
        raise _without_images(root, result)


def _require_folder(root: Place) -> None:
    if isinstance(root, Remote):
        if not root.is_dir():
            raise UserError(f"data.root is {root}, which is empty. Check it, or copy photographs there")
        return
    if not root.exists():
        raise UserError(f"data.root is {root}, which does not exist. Set it with: plates run --set data.root=PATH")
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is a file. Set it to the folder that holds the photographs.")
    try:
        os.scandir(root).close()
        os.stat(os.path.join(root, "."))
    except PermissionError:
        raise UserError(
            f"data.root is {root}, which this user may not read. Fix it with: chmod -R u+rX {root}"
        ) from None


def not_read(foreign: Counter[str]) -> str:
    """A sentence on photographs in unsupported formats and what to do; empty if there are none."""
    kinds = ", ".join(f"{suffix} {number:,}" for suffix, number in sorted(foreign.items()))
    return kinds and f"photographs in unsupported formats, left out: {kinds}. Save them as JPEG or PNG"


def _without_images(root: Place, result: Scan) -> UserError:
    if result.foreign:
        return UserError(f"no readable image under {root}; {not_read(result.foreign)}, then: plates run")
    return UserError(
        f"no image under {root}: {result.other_files} other files, {result.links} links (not followed), "
        f"{len(result.unreadable)} unreadable. "
        "Set data.root to a folder of photographs, or make some: plates sample DIR"
    )


def listing(root: Place, result: Scan) -> Iterator[pa.Table]:
    """`LISTING_SCHEMA` of every image under the root, by path, some at a time."""
    files = _files(root, "", result)
    while batch := list(islice(files, BATCH)):
        shown = [as_text(path) for path, _ in batch]
        columns = {
            "subset": [_subset(root, path.rpartition("/")[0]) for path in shown],
            "name": [path.rpartition("/")[2] for path in shown],
            "path": shown,
            **{name: [getattr(status, key) % 2**63 for _, status in batch] for name, key in STATUS.items()},
            "problem": [NOT_UTF8 if new != path else None for new, (path, _) in zip(shown, batch, strict=True)],
        }
        yield pa.table(columns, schema=LISTING_SCHEMA)


def _together(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in larger tables."""
    while some := list(islice(tables, AT_ONCE)):
        yield pa.concat_tables(some)


def _files(root: Place, folder: str, result: Scan) -> Iterator[tuple[str, os.stat_result | Status]]:
    if isinstance(root, Remote):
        yield from _objects(root, result)
        return
    try:
        entries = sorted(os.scandir(os.path.join(root, folder)), key=_place)
    except OSError as error:
        result.unreadable.append(f"{folder or '.'}: {error.strerror}")
        return
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_symlink():
            result.links += 1
        elif entry.is_dir(follow_symlinks=False):
            yield from _files(root, path, result)
        elif entry.name.lower().endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
            try:
                yield path, entry.stat(follow_symlinks=False)
            except OSError as error:
                result.unreadable.append(f"{path}: {error.strerror}")
        else:
            _left_out(entry.name, result)


def _place(entry: os.DirEntry[str]) -> str:
    """What puts entries in the order of the paths below them: a folder's are its name and a slash."""
    return as_text(entry.name) + "/" * entry.is_dir(follow_symlinks=False)


def _objects(root: Remote, result: Scan) -> Iterator[tuple[str, Status]]:
    for path, status in root.walk():
        if path.lower().endswith(SUFFIXES):
            yield path, status
        else:
            _left_out(path, result)


def _left_out(path: str, result: Scan) -> None:
    result.other_files += 1
    if (suffix := os.path.splitext(path)[1].lower()) in UNREAD:
        result.foreign[suffix] += 1


@cache
def _subset(root: Place, folder: str) -> str:
    """The subset of the files in `folder`; if the root itself is a subset's folder or inside one, that subset."""
    if not any(part.lower().startswith("ccpd_") for part in folder.split("/")):
        for above in (root.resolve(), root.resolve().parent):
            name = above.name.lower()
            if name.removeprefix("ccpd_") in SUBSETS and name.startswith("ccpd_"):
                return name.removeprefix("ccpd_")
    return subset_of(f"{folder}/x" if folder else "x")


def _from_cache(found: pa.Table, cached: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The files that the cache knows as they are (`CACHE_SCHEMA`), and the others (`LISTING_SCHEMA`)."""
    at = pc.index_in(found["path"], cached["path"])
    cached = cached.drop_columns("path")
    same = pc.is_valid(pc.take(cached["sha256"], at))
    for name in STATUS:
        same = pc.and_(same, pc.equal(pc.take(cached[name], at), found[name]))
    same = pc.fill_null(same, False)
    known = cached.select(READ).take(pc.filter(at, same))
    kept = found.drop_columns("problem").filter(same)
    for name in READ:
        kept = kept.append_column(CACHE_SCHEMA.field(name), known[name])
    return kept.select(CACHE_SCHEMA.names), found.filter(pc.invert(same))


def _read_all(
    root: Place, files: pa.Table, workers: int | None, progress: Callable[[int], None] | None, result: Scan
) -> Iterator[pa.Table]:
    """`files` with what their content shows: tables of `CACHE_SCHEMA`."""
    if not len(files):
        return
    batches = [files.slice(start, READ_AT_ONCE) for start in range(0, len(files), READ_AT_ONCE)]
    readable = files.filter(pc.is_null(files["problem"]))
    one = None
    if isinstance(root, Path):
        one = root / readable["path"][0].as_py() if len(readable) else root
    with threads(workers or readers(root, 1 + (os.cpu_count() or 1)), needs=one) as each:
        for batch in each(partial(_read_batch, root), batches):
            problems = batch.select(["path", "problem"]).filter(pc.starts_with(batch["problem"], "unreadable"))
            result.unreadable += [f"{row['path']}: {row['problem']}" for row in problems.to_pylist()]
            if progress:
                progress(len(batch))
            yield batch


def _read_batch(root: Place, batch: pa.Table) -> pa.Table:
    """A table of `LISTING_SCHEMA` as one of `CACHE_SCHEMA`."""
    jobs = zip(*(batch[name].to_pylist() for name in ("path", "bytes", "problem")), strict=True)
    content = dict(zip(READ, zip(*(_read(root, job) for job in jobs), strict=True), strict=True))
    return pa.table({**{name: batch[name] for name in batch.column_names}, **content}, schema=CACHE_SCHEMA)


def _read(root: Place, job: tuple[str, int, str | None]) -> tuple[str | None, int | None, int | None, str | None]:
    """Hash, width, height and problem of one file."""
    path, size, problem = job
    if problem is not None:
        return None, None, None, problem
    if size > LARGEST:
        return None, None, None, f"larger than {LARGEST >> 20} MiB: not read"
    try:
        content = read(root / path)
    except OSError as error:
        return None, None, None, f"unreadable: {error.strerror}"
    header = read_header(content)
    return hashlib.sha256(content).hexdigest(), header.width, header.height, header.problem
