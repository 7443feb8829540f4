"""Scenes drawn for a dry run: like CCPD's photographs in look, size, names and folders, with exact ground truth.

Everything is drawn here, from a seed: nothing is taken from real photographs, and no font or picture is shipped.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from plates.ccpd.label import Label, format_name
from plates.ccpd.scenes.faults import DUPLICATE, FILE_FAULTS, KINDS, LABEL_FAULTS, NAME_FAULTS, assign
from plates.ccpd.scenes.layout import Layout, lay_out
from plates.ccpd.scenes.render import render
from plates.errors import UserError
from plates.files import atomic, write_json
from plates.workers import processes

SAMPLE_FILE = "sample.json"
GREEN_FOLDERS = ("train", "train", "train", "train", "train", "train", "train", "val", "test", "test")

__all__ = ["KINDS", "SAMPLE_FILE", "Sample", "generate"]


@dataclass(frozen=True)
class Sample:
    """What was written: the paths (POSIX, relative to the folder, in order) and the kind of each bad one."""

    folder: Path
    paths: list[str]
    bad: dict[str, str]


def generate(
    folder: Path,
    count: int,
    seed: int,
    bad: float | Mapping[str, float] = 0.0,
    imbalance: float = 0.3,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> Sample:
    """Writes `count` photographs (720x1160 JPEG) with CCPD names under `folder`, laid out like a delivery.

    Same arguments, same bytes.

    Args:
        folder: new or empty; it appears whole or not at all. Its `sample.json` lists the arguments and the bad paths.
        count: number of photographs.
        seed: seed of all random choices.
        bad: the share of scenes to spoil in each way of `KINDS`, one number for all or one per kind.
        imbalance: the share of plates from the most frequent province; real CCPD's is about 0.88.
        progress: called with the number of photographs done since the last call.
        workers: processes (None: one per core); the bytes do not depend on it.

    Raises:
        UserError: the folder is not empty, or the shares cannot be met.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{folder} is not an empty folder, and a sample is written to a new one. Remove it or name another."
        )
    if count < 1 or not 0 <= imbalance <= 1:
        raise UserError(f"a sample needs a count of at least 1 and an imbalance in 0..1, not {count} and {imbalance}")
    shares = dict(bad) if isinstance(bad, Mapping) else dict.fromkeys(KINDS, bad)
    labelled = [index for index in range(count) if lay_out(seed, index, imbalance).plate]
    try:
        faults = assign(labelled, count, shares, seed)
    except ValueError as error:
        raise UserError(f"{error}. Ask for a smaller share or for more scenes.") from error
    doubles = [index for index, kind in faults.items() if kind == DUPLICATE]
    pictures = dict(zip(doubles[1::2], doubles[::2], strict=True))  # the second of a pair shows the first one's picture
    write = partial(_write, seed, imbalance, faults, pictures)
    paths: list[str] = []
    with atomic(folder) as temporary:
        temporary.mkdir()
        with processes(min(workers or os.cpu_count() or 1, count), chunksize=8, needs=temporary) as each:
            for path in each(partial(write, temporary), range(count)):
                paths.append(path)
                if progress:
                    progress(1)
        marked = {paths[index]: kind for index, kind in sorted(faults.items())}
        if len(set(paths)) < count:
            raise UserError(
                f"{count - len(set(paths))} of {count} scenes got the name of another scene: try another seed."
            )
        report = {"count": count, "seed": seed, "imbalance": imbalance, "shares": shares, "bad": marked}
        write_json(temporary / SAMPLE_FILE, report)
    return Sample(folder, paths, marked)


def _write(
    seed: int, imbalance: float, faults: dict[int, str], pictures: dict[int, int], folder: Path, index: int
) -> str:
    """Writes scene `index` and returns its path, relative to `folder`."""
    layout, kind = lay_out(seed, index, imbalance), faults.get(index, "")
    jpeg, label = render(seed, layout)
    name = _name(layout, label, kind)
    if index in pictures:
        jpeg, _ = render(seed, lay_out(seed, pictures[index], imbalance))
    if kind in FILE_FAULTS:
        jpeg = FILE_FAULTS[kind](jpeg)
    path = Path(f"ccpd_{layout.subset}", *([GREEN_FOLDERS[index % 10]] if layout.subset == "green" else []), name)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(jpeg)
    return path.as_posix()


def _name(layout: Layout, label: Label | None, kind: str) -> str:
    if label is None:
        return f"np{layout.index}.jpg"
    name = format_name(LABEL_FAULTS[kind](label) if kind in LABEL_FAULTS else label)
    return NAME_FAULTS[kind](name) if kind in NAME_FAULTS else name
