"""Fetches files from DVC's remotes by their hashes."""

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from plates.errors import UserError
from plates.lineage.cache import Cache


def fetcher(root: Path) -> Callable[[Sequence[str]], None] | None:
    """A function that fetches outputs by hash from the project's default remote into its cache.

    What the remote lacks is left out without an error: the caller checks the cache again. None if DVC is not installed.
    """
    if importlib.util.find_spec("dvc") is None:
        return None

    def pull(hashes: Iterable[str]) -> None:
        from dvc.exceptions import DvcException, FileTransferError
        from dvc.repo import Repo
        from dvc_data.hashfile.hash_info import HashInfo

        with Repo(str(root)) as repo:
            try:
                repo.cloud.pull([HashInfo("md5", md5) for md5 in hashes])
            except FileTransferError:
                return
            except DvcException as error:
                raise UserError(f"DVC's remote: {error}") from error

    def fetch(hashes: Sequence[str]) -> None:
        pull(hashes)
        cache = Cache.of(root)
        listed = [md5 for md5 in hashes if cache.find(md5)]
        if inside := sorted({name for md5 in listed for name in cache.missing(md5)}):  # DVC fetched only the lists
            pull(inside)

    return fetch
