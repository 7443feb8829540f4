"""What a failure of disk, memory, database or DVC means: what, where, how much is missing, what to run next."""

import errno
import getpass
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from plates.errors import UserError
from plates.lineage import git_state

NEEDED = 5 * 2**30
"""Bytes of free disk that a run may need."""

FULL = 100 * 2**20
"""A disk with fewer bytes free is reported as full."""

AGAIN = "run the same command again"

IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP)
"""There is a file where a folder belongs, or a folder where a file belongs."""

MERGED = ("dvc.lock", "dvc.yaml", "params.yaml")
MARK = re.compile(r"^(<{7}|={7}|>{7})( |$)")
PASSING = (errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ENETUNREACH, errno.EHOSTUNREACH)
TEXTS = {code: os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)}
"""How libraries report the system's error if they do not pass on its number."""


def in_words(error: BaseException, root: Path) -> str | None:
    """What `error` means for the user of the project in `root`; None for a bug in the code."""
    for cause in _chain(error):
        if isinstance(cause, UserError):
            return str(cause)
        if (code := _code(cause)) is not None:
            return _storage(code, cause, root)
        if isinstance(cause, sqlite3.Error) or type(cause).__module__.split(".")[0] in ("sqlalchemy", "psycopg2"):
            return _database(str(cause), root)
        if isinstance(cause, MemoryError):
            memory = psutil.virtual_memory()
            return (
                f"out of memory: {_size(memory.available)} of {_size(memory.total)} are free. Close other programs, or "
                f"lower train.batch_size, evaluation.batch_size or tfrecords.workers, then {AGAIN}"
            )
        if isinstance(cause, OSError):
            return f"{cause}. Once that is fixed, {AGAIN}"
    return None


def passes(error: BaseException) -> bool:
    """Whether the same work may succeed in a minute: a network disk was away, a database was locked."""
    return any(
        isinstance(cause, ConnectionError | TimeoutError)
        or (isinstance(cause, OSError) and cause.errno in PASSING)
        or (isinstance(cause, sqlite3.Error) and "locked" in str(cause))
        for cause in _chain(error)
    )


def dvc_in_words(said: str, root: Path) -> str:
    """What DVC's message means for the project in `root`."""
    if found := conflicts(root):
        return found
    if "not a git repository" in said:
        return (
            f"DVC needs a Git repository, and {root} is not one (a ZIP download?). Make it one: git init && git add "
            "--all && git commit -m start. Or work without Git: dvc config --local core.no_scm true"
        )
    if found := git_state.damage(root):
        return f"{found}; then {AGAIN}"
    for code, text in TEXTS.items():
        if text in said:
            return f"{_storage(code, OSError(code, text), root)} (DVC said: {said.strip()})"
    if "are missing from 'params.yaml'" in said or "is missing from 'params.yaml'" in said:
        return (
            "params.yaml lacks settings that dvc.yaml names, and DVC has no defaults. Restore them: git checkout "
            f"params.yaml; then set yours again: plates run --set KEY=VALUE (DVC said: {said.strip()})"
        )
    if "dvc.lock" in said and any(word in said for word in ("validation failed", "unable to read")):
        return damaged_lock(said.strip())
    return f"DVC said: {said.strip()}"


def damaged_lock(why: str) -> str:
    """What to do about a `dvc.lock` that cannot be read."""
    return (
        f"dvc.lock is damaged ({why}). Restore it: git checkout HEAD -- dvc.lock; or rm dvc.lock. Then: plates run, "
        "which makes whatever is out of date"
    )


def conflicts(root: Path) -> str | None:
    """Which file of the project has conflict markers from an unfinished merge, and how to finish it."""
    for name in MERGED:
        file = root / name
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        lines = [str(number) for number, line in enumerate(text.splitlines(), 1) if MARK.match(line)]
        if lines:
            remake = "rm dvc.lock" if name == "dvc.lock" else f"git checkout HEAD -- {name}"
            return (
                f"{name} has conflict markers of an unfinished merge (lines {', '.join(lines[:6])}). Take one side: "
                f"git checkout --ours {name}, or --theirs; or {remake}. Then: plates run, which makes whatever is out "
                "of date"
            )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes, nearest first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _code(error: BaseException) -> int | None:
    """The system's error number for a storage fault, also from the text of libraries that keep only that."""
    if isinstance(error, OSError):
        return error.errno if error.errno in (*TEXTS, *IN_THE_WAY, errno.EPERM, errno.EMFILE) else None
    if isinstance(error, (sqlite3.Error, UnicodeError)):
        return errno.ENOSPC if "disk is full" in str(error) else None
    return next((code for code, text in TEXTS.items() if text in str(error)), None)


def _storage(code: int, error: BaseException, root: Path) -> str:
    file = getattr(error, "filename", None)
    detail = file if isinstance(error, OSError) else str(error).partition("\n")[0]
    named = f" ({detail})" if detail else ""
    if code == errno.ENOSPC:
        place, free = _fullest(root, file)
        return (
            f"the disk of {place} is full{named}: {_size(free)} are free, a run may need {_size(NEEDED)}, so "
            f"{_size(max(NEEDED - free, 0))} are missing. Finished work is kept. Free some space, then {AGAIN}; "
            "`plates doctor` says what is safe to remove"
        )
    if code == errno.EDQUOT:
        return (
            f"your quota on the disk of {root} is used up{named}. Finished work is kept. Remove some of your files "
            f"there, or ask for more, then {AGAIN}"
        )
    if code == errno.EROFS:
        return (
            f"{file or root} is on a file system that is mounted read-only. Nothing was changed. Mount it writable, "
            f"or clone the project elsewhere, then {AGAIN}"
        )
    if code == errno.EIO:
        return (
            f"the disk failed to read or write{named}: {os.strerror(code)}. Look at `dmesg`, back up what matters, "
            f"then on a healthy disk {AGAIN}"
        )
    if code in IN_THE_WAY:
        return (
            f"something else is in the place of a file or folder of the project: {detail}: {os.strerror(code)}. Move "
            f"it away, then {AGAIN}"
        )
    if code == errno.EMFILE:
        return f"too many files are open{named}. Allow more: ulimit -n 4096, then {AGAIN}"
    return (
        f"{_user()} has no permission to read or write {detail or 'a file'}. Grant it: chmod -R u+rwX, or chown to "
        f"{_user()} the files that another user made in {root}; then {AGAIN}"
    )


def _database(said: str, root: Path) -> str:
    folder = root / ".dagster"
    safe = "Data, models and records are not stored there"
    if "disk I/O error" in said:  # also of a disk that is full
        code = errno.ENOSPC if _fullest(root, None)[1] < FULL else errno.EIO
        return _storage(code, OSError(code, said, str(folder)), root)
    if "locked" in said:
        return (
            f"Dagster's history in {folder} stayed locked by another process. Stop that process (a backup, a hanging "
            f"`plates ui`), then {AGAIN}. {safe}"
        )
    if "readonly" in said or "unable to open" in said:
        return (
            f"Dagster's history in {folder} cannot be written. Make it writable: chmod -R u+rwX {folder}; then "
            f"{AGAIN}. {safe}"
        )
    if any(word in said for word in ("not a database", "malformed", "no such table", "no such column", "corrupt")):
        return (
            f"Dagster's history in {folder} is damaged. {safe}: only the list of runs and the sensor's memory are. "
            f"Move it away: mv {folder} {folder}.damaged; then {AGAIN}"
        )
    return f"Dagster's history cannot be used: {said.splitlines()[0]}. {safe}. `plates doctor` looks for the cause"


def _fullest(root: Path, file: object) -> tuple[Path, int]:
    """Of the places a run writes to, the one whose disk is full, and the bytes free there."""
    named = [Path(os.fspath(file)).parent] if isinstance(file, str | os.PathLike) else []
    places = [place for place in (*named, root, Path(tempfile.gettempdir())) if place.is_dir()]
    free = {place: shutil.disk_usage(place).free for place in places}
    full = next((place for place, bytes_free in free.items() if bytes_free < FULL), places[0])
    return full, free[full]


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
