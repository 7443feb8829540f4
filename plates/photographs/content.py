"""The bytes of a photograph that the pipeline uses: its file, or the JPEG it was converted to."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plates.errors import UserError
from plates.files import atomic
from plates.remote import Place, Remote, read

if TYPE_CHECKING:
    from plates.settings.project import Project

SCAN_AGAIN = "run `plates materialize raw_images`"


class ChangedSinceScanError(UserError):
    """A photograph is not what the scan saw."""


@dataclass(frozen=True)
class Photographs:
    """The photographs of a project.

    Attributes:
        root: `data.root`, on this disk or in a store, which paths are relative to.
        converted: folder of what `plates.photographs.convert` made of some of them; None: of none.
        scan_cache: the last scan's cache, dropped if a photograph contradicts it.
    """

    root: Place
    converted: Path | None = None
    scan_cache: Path | None = None

    @classmethod
    def of(cls, project: "Project") -> "Photographs":
        """The photographs of `project`."""
        return cls(project.photographs, project.converted, project.scan_cache)

    def file(self, path: str, sha256: str) -> Place:
        """The file that holds the content `sha256` of the photograph at `path`."""
        return kept_at(self.converted, sha256) if self.converted and self.has_converted(sha256) else self.root / path

    def has_converted(self, sha256: str) -> bool:
        """Whether `sha256` is the content of a JPEG that a photograph was converted to."""
        return self.converted is not None and kept_at(self.converted, sha256).exists()

    def keep(self, jpeg: bytes) -> str:
        """Keeps what a photograph was converted to; returns its SHA-256."""
        assert self.converted is not None, "there is no folder to keep it in"
        sha256 = hashlib.sha256(jpeg).hexdigest()
        with atomic(kept_at(self.converted, sha256)) as temporary:
            temporary.write_bytes(jpeg)
        return sha256

    def read(self, path: str, sha256: str) -> bytes:
        """The content.

        Raises:
            ChangedSinceScanError: it cannot be read, is not a regular file, or has another SHA-256.
        """
        try:
            file = self.file(path, sha256)
            content = file.read(sha256) if isinstance(file, Remote) else read(file)
        except OSError as error:
            raise ChangedSinceScanError(f"{path} cannot be read any more ({error.strerror}): {SCAN_AGAIN}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            if self.converted and file == kept_at(self.converted, sha256):
                file.unlink(missing_ok=True)
                raise ChangedSinceScanError(f"the JPEG that {path} was converted to is damaged: {SCAN_AGAIN}")
            if self.scan_cache:
                self.scan_cache.unlink(missing_ok=True)
            raise ChangedSinceScanError(f"{path} has changed since the scan (its SHA-256 differs): {SCAN_AGAIN}")
        return content


def kept_at(folder: Path, sha256: str) -> Path:
    """Where `folder` keeps the JPEG of that content."""
    return folder / sha256[:2] / f"{sha256}.jpg"
