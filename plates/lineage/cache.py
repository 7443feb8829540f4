"""Files by the MD5 of their content, as DVC keeps them: in its cache, and in remotes that are folders.

An object is at `files/md5/AB/CDEF…`; a folder is an object too, `….dir`, the JSON list of its files. This layout is all
that is needed to restore a record, with DVC or without it.
"""

import configparser
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from plates.errors import UserError
from plates.files import atomic
from plates.hashes import content_hash


@dataclass(frozen=True)
class Cache:
    """`folders` hold objects and are looked at in turn; `remotes` are addresses that only DVC can read."""

    folders: Sequence[Path]
    remotes: Sequence[str] = ()

    @classmethod
    def of(cls, root: Path) -> "Cache":
        """Where the project in `root` keeps its files, according to DVC's configuration."""
        folder, urls = ".dvc/cache", {}
        for file in _configurations(root):
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            try:
                parser.read(file, encoding="utf-8")
            except (configparser.Error, ValueError) as error:
                first = str(error).splitlines()[0]
                raise UserError(f"{file} is not a DVC configuration ({first}). Fix it, or delete it") from None
            for section in parser.sections():
                values, name = parser[section], section.strip("'")
                base = file.parent
                if name == "cache" and "dir" in values:
                    folder = str(base / os.path.expanduser(values["dir"]))
                elif name.startswith("remote ") and "url" in values:
                    url = values["url"]
                    urls[name] = url if "://" in url else str(base / os.path.expanduser(url))
        here = [Path(url.removeprefix("file://")) for url in urls.values() if not _elsewhere(url)]
        return cls([root / folder, *here], [url for url in urls.values() if _elsewhere(url)])

    def find(self, md5: str) -> Path | None:
        """The object with this hash; None if no folder has it."""
        for folder in self.folders:
            path = folder / "files" / "md5" / md5[:2] / md5[2:]
            if path.is_file():
                return path
        return None

    def files(self, md5: str) -> Iterator[tuple[str, str]]:
        """The relative paths and hashes of the files in an output; a file's own is `""`.

        Raises:
            KeyError: the list of a folder is not here.
        """
        if not md5.endswith(".dir"):
            yield "", md5
            return
        path = self.find(md5)
        if path is None:
            raise KeyError(md5)
        for entry in json.loads(path.read_text(encoding="utf-8")):
            yield entry["relpath"], entry["md5"]

    def missing(self, md5: str) -> list[str]:
        """The missing parts of an output: its file, its folder's list, or some of its files."""
        try:
            return [name for _, name in self.files(md5) if self.find(name) is None]
        except KeyError:
            return [md5]

    def put(self, md5: str, target: Path) -> None:
        """Writes an output to `target`, atomically, as hard links if the file system allows them, as DVC does.

        Raises:
            UserError: a part is missing, or does not match its hash.
        """
        if absent := self.missing(md5):
            raise UserError(f"{target}: {len(absent)} of the files of {md5} are not in {self.folders[0]}")
        with atomic(target) as temporary:
            if md5.endswith(".dir"):
                temporary.mkdir()
            for relative, name in self.files(md5):
                place = temporary / relative
                place.parent.mkdir(parents=True, exist_ok=True)
                _link(cast(Path, self.find(name)), place)
            if content_hash(temporary) != md5:
                raise UserError(f"{target}: the content stored as {md5} has another hash: it is damaged")


def _configurations(root: Path) -> list[Path]:
    """DVC's configuration files; later ones take precedence."""
    at_home = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser()
    return [Path("/etc/xdg/dvc/config"), at_home / "dvc/config", root / ".dvc/config", root / ".dvc/config.local"]


def _elsewhere(url: str) -> bool:
    return "://" in url and not url.startswith("file://")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
        target.chmod(0o444)  # shared with the cache: read-only, so that nobody edits it in place
    except OSError:
        target.unlink(missing_ok=True)  # linked, but somebody else's: its mode cannot be changed
        shutil.copyfile(source, target)
