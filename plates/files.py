"""Writes files so that a kill or a power cut leaves the old file or the new one, never a partial one."""

import errno
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plates.errors import UserError

ROW_GROUP = 32_768  # rows; what a reader that goes by row groups holds at a time
COLUMNS_SHOWN = 5  # differences of a table's columns to name
LONGEST = 240  # bytes of a name that still has room for an ending: file systems take 255


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` to write a file or a folder at; on success it takes the target's place.

    On an error the temporary path is removed and the target stays as it was. Replacing a folder is two renames: a kill
    between them leaves the old one as `.NAME.old`, which the next `atomic` on the same target puts back first. The new
    content is on the disk before it takes the place, and the place before the old content goes: a power cut leaves the
    one or the other.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    old = put_back(target)
    beginning = _short(target.name)
    for leftover in target.parent.glob(f".{glob.escape(beginning)}.*.tmp"):
        remove(leftover)
    scratch = Path(tempfile.mkdtemp(prefix=f".{beginning}.", suffix=".tmp", dir=target.parent))
    temporary = scratch / target.name
    try:
        yield temporary
        sync(temporary)
        if temporary.is_dir() and target.exists():
            remove(old)
            target.rename(old)
        os.replace(temporary, target)
        _sync(target.parent)
        remove(old)
    finally:
        put_back(target)
        remove(scratch)


def _short(name: str) -> str:
    """`name`, or one of its own that is shorter where nothing could be added to it."""
    content = os.fsencode(name)
    return name if len(content) <= LONGEST else hashlib.md5(content).hexdigest()


def as_text(name: str) -> str:
    """A file's name as UTF-8 can have it: bytes that are something else as `\\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def sync(path: Path) -> None:
    """Waits until a file, or a folder with all that it holds, is on the disk."""
    if path.is_dir():
        for inside in path.iterdir():
            sync(inside)
    _sync(path)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def put_back(target: Path) -> Path:
    """Undoes a replacement of `target` that was killed half-way; returns where the old content is kept meanwhile."""
    old = target.with_name(f".{_short(target.name)}.old")
    if old.exists() and not target.exists():
        old.rename(target)
    return old


def remove(path: Path) -> None:
    """Removes a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_regular(file: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file; a pipe, socket or device in its place is not opened, as that could block forever.

    Raises:
        OSError: it is not a regular file, or cannot be read.
    """
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(file))
        return stream.read()


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(
            f"{path} is damaged ({error}). Restore it: git checkout -- {path}, or if Git does not have it, delete it; "
            "then: plates run"
        ) from None


def write_json(path: Path, content: Any) -> None:
    """Writes `content` with sorted keys, so that equal content gives equal bytes. NaN is refused: `ValueError`."""
    with atomic(path) as temporary:
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_cache(path: Path, schema: pa.Schema, **options: Any) -> pa.Table | None:
    """A Parquet file that only saves work; None if it is missing, damaged or has another schema.

    Args:
        path: the file.
        schema: what it must have, its notes too.
        options: of `pyarrow.parquet.read_table`.
    """
    try:
        return pq.read_table(path, **options) if pq.read_schema(path).equals(schema, check_metadata=True) else None
    except (OSError, pa.ArrowException):
        return None


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A table that a run wrote, or `columns` of it.

    Raises:
        UserError: it is damaged or a different table.
    """
    try:
        return pd.read_parquet(path, columns=columns)
    except (ValueError, pa.ArrowException) as error:
        raise damaged(path, str(error).partition("\n")[0]) from None


def damaged(path: Path, why: str) -> UserError:
    """The error of a table that cannot be read."""
    return UserError(f"{path} is damaged or a different table ({why}). Make it again: plates run")


def damage(path: Path, schema: pa.Schema | None = None) -> str | None:
    """Why a table or a JSON file cannot be used; None if it can be, or is of another kind.

    A table whose columns differ from `schema` counts as damaged too.
    """
    try:
        if path.suffix == ".parquet":
            found = pq.read_schema(path)
            if schema and (other := _other_columns(found, schema)):
                return f"a different table is in its place: {', '.join(other[:COLUMNS_SHOWN])}"
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
    except (OSError, ValueError, pa.ArrowException) as error:
        return str(error)
    return None


def _other_columns(found: pa.Schema, schema: pa.Schema) -> list[str]:
    """How the columns of a table differ from `schema`, one phrase each."""
    lacking = [f"no column {name}" for name in schema.names if name not in found.names]
    surplus = [f"an extra column {name}" for name in found.names if name not in schema.names]
    common = [name for name in schema.names if found.names.count(name) == 1]
    types = [(name, found.field(name).type, schema.field(name).type) for name in common]
    return lacking + surplus + [f"column {name} is {was}, not {type}" for name, was, type in types if was != type]


def write_parquet(path: Path, table: pa.Table | pd.DataFrame) -> None:
    """Writes a table as Parquet (zstd), without pandas' index and notes; equal tables give equal bytes."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with parquet_writer(path, table.schema) as write:
        write(table)


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yields a function that writes the rows of a table after those before; the file takes its place at the end.

    The bytes are those of `write_parquet` of all rows at once; at most a row group waits in memory.
    """
    notes = {key: value for key, value in (schema.metadata or {}).items() if key != b"pandas"}
    schema = schema.with_metadata(notes or None)
    waiting = schema.empty_table()
    with atomic(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as file:

        def write(table: pa.Table) -> None:
            nonlocal waiting
            waiting = pa.concat_tables([waiting, table.cast(schema)])
            while len(waiting) > ROW_GROUP:
                file.write_table(waiting.slice(0, ROW_GROUP).combine_chunks(), ROW_GROUP)
                waiting = waiting.slice(ROW_GROUP)

        yield write
        file.write_table(waiting.combine_chunks())
