"""Downloads that can be killed, resume where they stopped, and are verified."""

import hashlib
import http.client
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Literal

from plates.errors import UserError
from plates.files import write_json

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60


def fetch(url: str, folder: Path, digest: str | None = None, algorithm: Literal["sha256", "md5"] = "sha256") -> Path:
    """Downloads the file at `url` into `folder` under its own name; an existing file is used.

    An interrupted download is resumed (HTTP Range). NAME.json beside the file has the URL and the digest found.

    Args:
        digest: hex digest that the content must have; None: any content is accepted.
        algorithm: the digest's algorithm.

    Raises:
        UserError: there is no connection, or the content has another digest.
    """
    name = url.rsplit("/", 1)[1]
    target, part = folder / name, folder / f".{name}.part"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _continue(url, part)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            have = f" after {part.stat().st_size} bytes; run again to resume" if part.exists() else ""
            raise UserError(
                f"could not download {url} ({error}){have}. Without a connection: download it elsewhere and put it at "
                f"{target}, or set model.pretrained to its path, or to none"
            ) from error
    found = _digest(target if target.exists() else part, algorithm)
    if digest is not None and found != digest.lower():
        wrong = target if target.exists() else part
        wrong.unlink()
        raise UserError(f"{url} has {algorithm} {found}, not {digest}; the file was removed")
    if part.exists():
        part.replace(target)
        write_json(folder / f"{name}.json", {"url": url, algorithm: found, "bytes": target.stat().st_size})
    return target


def _continue(url: str, part: Path) -> None:
    """Appends the rest to `part`; starts over if the server does not support ranges."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and _total(error.headers) == have:
            return
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        total = _total(response.headers) if resumed else _length(response.headers)
        with part.open("ab" if resumed else "wb") as stream:
            while chunk := response.read(CHUNK):
                stream.write(chunk)
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection ended at {part.stat().st_size} of {total} bytes")


def _total(headers: Message) -> int | None:
    """The total length, from `Content-Range: bytes 5-9/10`."""
    total = headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _length(headers: Message) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
