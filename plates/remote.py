"""A folder in an object store instead of one on this disk: `s3://BUCKET/FOLDER`, read by pyarrow's file systems.

Objects that are read are kept on this disk by SHA-256, up to a limit; nothing is written to the store. Keys, region
and the address of a non-Amazon server come from the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_DEFAULT_REGION` and `AWS_ENDPOINT_URL`, or from the files that `aws configure` writes.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa

from plates.errors import UserError
from plates.files import read_regular

SCHEMES = ("s3", "gs")
"""Amazon's protocol, which most stores support, and Google's."""

YOUNG_S = 60
"""A store gives the second in which an object was written. An object this young could be overwritten unnoticed, so the
next scan reads it again; clocks may differ by as much.
"""
SIZES = pa.schema([("path", pa.string()), ("bytes", pa.int64())])
BATCH = 10_000  # objects as Python objects at a time
READERS = 16  # threads: they wait for the store, not for this machine


class Status(NamedTuple):
    """What a listing says about an object, under the names of `os.stat_result`."""

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int  # 0, or the time of the listing if the object is young
    st_ino: int = 0


@dataclass(frozen=True)
class Remote:
    """A file or folder in an object store, with the method names of `Path`.

    Attributes:
        url: such as `s3://BUCKET/FOLDER`.
        kept: the folder on this disk for objects that were read.
        limit: most bytes to keep; 0: none.
    """

    url: str
    kept: Path
    limit: int

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, path: str) -> "Remote":
        return replace(self, url=f"{self.url}/{path}")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "Remote":
        return replace(self, url=self.url.rpartition("/")[0])

    def resolve(self) -> "Remote":
        return self

    def relative_to(self, root: "Remote") -> PurePosixPath:
        return PurePosixPath(self.url.removeprefix(root.url).strip("/"))

    def is_dir(self) -> bool:
        """Whether there is anything below. Raises `UserError` if the store does not answer or has no such bucket."""
        from pyarrow.fs import FileType

        if self._listed():
            return True
        with self._asked():
            bucket = _store(self._bucket).get_file_info(self._key.partition("/")[0])
        if bucket.type == FileType.NotFound:
            raise UserError(f"there is no bucket {self._bucket}: check data.root, {self.url}")
        return False

    def folders(self) -> list["Remote"]:
        """The folders in this one, by name."""
        from pyarrow.fs import FileType

        return [self / info.base_name for info in self._listed() if info.type == FileType.Directory]

    def files(self) -> list["Remote"]:
        """The objects in this folder, by name; none if there is no such folder."""
        from pyarrow.fs import FileType

        return [self / info.base_name for info in self._listed() if info.type == FileType.File]

    def walk(self, folder: str = "") -> Iterator[tuple[str, Status]]:
        """The path (from here) and status of every object below, by folder: one request for a thousand."""
        from pyarrow.fs import FileType

        now = time.time_ns()
        for info in (self / folder if folder else self)._listed():
            path = f"{folder}/{info.base_name}" if folder else info.base_name
            if info.type == FileType.Directory:
                yield from self.walk(path)
            else:
                young = info.mtime_ns > now - YOUNG_S * 10**9
                yield path, Status(info.size, info.mtime_ns, now if young else 0)

    def sizes(self) -> pa.Table:
        """The `path` (from here) and `bytes` of every object below."""
        found, objects = [SIZES.empty_table()], self.walk()
        while batch := [(path, status.st_size) for path, status in islice(objects, BATCH)]:
            found.append(pa.table(list(zip(*batch, strict=True)), schema=SIZES))
        return pa.concat_tables(found)

    def read(self, sha256: str | None = None) -> bytes:
        """The object's bytes: those kept under `sha256`, or the store's, which are then kept.

        Raises:
            FileNotFoundError: the object does not exist.
            UserError: the store does not answer or denies access.
        """
        kept = _kept(self.kept, self.limit) if self.limit else None
        if kept is not None and sha256 is not None and (content := kept.get(sha256)):
            if hashlib.sha256(content).hexdigest() == sha256:
                return bytes(content)
            del kept[sha256]
        with self._asked(), _store(self._bucket).open_input_stream(self._key) as stream:
            content = bytes(stream.read())
        if kept is not None:
            kept.set(hashlib.sha256(content).hexdigest(), content)
        return content

    def read_text(self, encoding: str) -> str:
        return self.read().decode(encoding)

    @property
    def _bucket(self) -> str:
        return "/".join(self.url.split("/")[:3])

    @property
    def _key(self) -> str:
        return self.url.partition("://")[2]

    def _listed(self) -> list[Any]:
        """What is in this folder, in the order of the paths below it."""
        from pyarrow.fs import FileSelector

        with self._asked():
            found = _store(self._bucket).get_file_info(FileSelector(self._key, allow_not_found=True))
        return sorted(found, key=_place)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turns a store's errors into messages; a missing object stays `FileNotFoundError`."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            said = str(error)
            if any(word in said for word in ("NETWORK_CONNECTION", "curlCode", "SLOW_DOWN", "SERVICE_UNAVAILABLE")):
                raise UserError(
                    f"no answer from the store of {self._bucket} ({said}). Check the network and AWS_ENDPOINT_URL, "
                    "then run the same command again: objects already read are kept"
                ) from error
            raise UserError(
                f"the store of {self._bucket} denies access ({said}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "of a user who may list and read there, and AWS_DEFAULT_REGION"
            ) from error


Place = Path | Remote
"""A folder or file, on this disk or in a store."""


def is_url(given: str) -> bool:
    """Whether a setting names a store and not a path; raises `UserError` if it names one that is not known."""
    scheme, separator, rest = given.partition("://")
    if not separator:
        return False
    if scheme not in SCHEMES or not rest.strip("/"):
        raise UserError(
            f"{given} is not a folder in a store: write s3://BUCKET/FOLDER ({', '.join(SCHEMES)}), or a path"
        )
    return True


def read(place: Place) -> bytes:
    """The bytes of a file. Raises `OSError` if there is none, `UserError` if a store does not answer."""
    return place.read() if isinstance(place, Remote) else read_regular(place)


def folders(place: Place) -> list[Any]:
    """The folders in a folder, by name; links are not followed."""
    if isinstance(place, Remote):
        return place.folders()
    return [inside for inside in sorted(place.iterdir()) if inside.is_dir() and not inside.is_symlink()]


def readers(place: Place, here: int) -> int:
    """Threads that read files: `here` if they are on this disk."""
    return READERS if isinstance(place, Remote) else here


@cache
def _store(bucket: str) -> Any:
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(bucket)[0]


@cache
def _kept(folder: Path, limit: int) -> Any:
    """The cache, shared by several processes; the oldest entries are removed first."""
    import sqlite3

    from diskcache import Cache

    try:
        return Cache(str(folder), size_limit=limit)
    except sqlite3.DatabaseError as error:
        raise UserError(f"{folder} is damaged ({error}): remove it; its content is then read again") from error


def _place(info: Any) -> str:
    from pyarrow.fs import FileType

    return str(info.base_name) + "/" * (info.type == FileType.Directory)
