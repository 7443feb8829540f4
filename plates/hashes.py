"""The version of a file or folder: the hash of its content, as DVC computes it."""

import hashlib
import json
from pathlib import Path


def content_hash(path: Path) -> str:
    """The MD5 that `dvc.lock` records for `path`.

    A file's is the MD5 of its bytes; a folder's is the MD5 of the JSON list of its files' hashes and relative paths,
    followed by `.dir` (DVC's `dvc_data.hashfile.tree`). A test compares it with DVC's.
    """
    if path.is_dir():
        entries = [
            {"md5": _md5(file), "relpath": file.relative_to(path).as_posix()}
            for file in path.rglob("*")
            if file.is_file()
        ]
        listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
        return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + ".dir"
    return _md5(path)


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
