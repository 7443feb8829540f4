"""What is no regular file is refused and never waited for; what is not what the scan saw says so."""

import hashlib
import os
import pickle
import socket
from pathlib import Path

import pytest

from plates.photographs.content import ChangedSinceScanError, Photographs, kept_at

CONTENT = b"a photograph"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_the_content_is_the_file_s_or_the_one_that_was_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"another")
    kept = kept_at(tmp_path / "kept", SHA256)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(CONTENT)

    assert Photographs(tmp_path, tmp_path / "kept").read("a.png", SHA256) == CONTENT
    assert Photographs(tmp_path).read("a.png", hashlib.sha256(b"another").hexdigest()) == b"another"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def other(path: Path) -> None:
    path.write_bytes(b"another")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (pipe, "a.jpg cannot be read any more .not a regular file."),
        (listening, "a.jpg cannot be read any more .not a regular file."),
        (folder, "a.jpg cannot be read any more .not a regular file."),
        (device, "a.jpg cannot be read any more .not a regular file."),
        (other, "a.jpg has changed since the scan"),
        (lambda path: None, "a.jpg cannot be read any more .No such file"),
    ],
    ids=["pipe", "socket", "folder", "device", "another content", "gone"],
)
def test_what_is_not_what_the_scan_saw_says_so(tmp_path: Path, put, said: str) -> None:
    put(tmp_path / "a.jpg")
    with pytest.raises(ChangedSinceScanError, match=rf"{said}.*plates materialize raw_images") as error:
        Photographs(tmp_path).read("a.jpg", SHA256)
    assert type(pickle.loads(pickle.dumps(error.value))) is ChangedSinceScanError  # workers hand it over
