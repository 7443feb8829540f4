"""Which files are processed, and where each goes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from plates.errors import UserError
from plates.predict.sources import PICTURES, VIDEOS, files, named, paths


def plan(given: Iterable[str], to: Path | None) -> dict[Path, Path]:
    """The target of each source, in their order; those of a folder keep their places in it.

    Args:
        given: photographs, videos, patterns and folders, which are searched whole.
        to: the folder to write into; None: each takes the place of its source.

    Raises:
        UserError: a folder has no photograph and no video, two would be the same file, one already exists, or `to` is
            inside a given folder.
    """
    targets: dict[Path, Path] = {}
    for name in given:
        folder = named(name)
        found = files(folder, PICTURES + VIDEOS) if folder.is_dir() else paths(name)
        if folder.is_dir() and not found:
            raise UserError(f"there is no photograph or video anywhere in {folder}")
        if to and folder.is_dir() and to.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{to} is inside {folder}, the folder to be hidden. Name one elsewhere: --to FOLDER")
        for source in found:
            inside = source.relative_to(folder) if folder.is_dir() else Path(source.name)
            if to:
                targets[source] = to / inside
            else:  # a link stays one: the file behind it is written
                original = source.resolve() if source.is_symlink() else source
                targets[original] = original
    if to:
        _require_free(targets)
    return targets


def _require_free(targets: dict[Path, Path]) -> None:
    places = list(targets.values())
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise UserError(f"two of the files would both be {twice}. Name the folder around them, or hide one at a time")
    if there := [place for place in places if place.exists()]:
        raise UserError(
            f"{len(there):,} of {len(places):,} files already exist, such as {there[0]}. Name an empty folder: "
            "--to FOLDER"
        )
