"""CCPD's subsets, how to tell a photograph's subset from its path, and the authors' lists that split them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from plates.columns import SPLITS
from plates.errors import UserError
from plates.remote import Place, Remote, folders

NEGATIVE = "np"  # photographs of cars without a plate
TRAINING = ("base", "weather", NEGATIVE)  # divided into train and val by lists; the rest of CCPD2019 is for testing
TESTING = ("db", "blur", "fn", "rotate", "tilt", "challenge")
GREEN = "green"  # CCPD2020, delivered in folders train, val and test
SUBSETS = (*TRAINING, *TESTING, GREEN)

UNNAMED = "data.root"
"""The subset of photographs directly in the root."""

LIST_FOLDERS = ("split", "splits")


def subset_of(path: str) -> str:
    """The subset of a photograph: its nearest folder named `ccpd_...`, without the prefix; else its folder's name.

    Args:
        path: POSIX, relative to data.root or absolute. A photograph in no folder has the subset `UNNAMED`; a scan tries
            the root's own name first.
    """
    folders = PurePosixPath(path).parent.parts
    for folder in reversed(folders):
        if folder.lower().startswith("ccpd_"):
            return folder[len("ccpd_") :].lower()
    return folders[-1] if folders else UNNAMED


@dataclass(frozen=True)
class OfficialLists:
    """The authors' lists under a root, compared with the photographs there.

    Attributes:
        splits: path to split, for the listed photographs that exist.
        missing: by list, how many of its lines name a missing photograph.
        unlisted: by subset, how many photographs are on no list.
        divided: training subsets that the authors did not divide.
    """

    splits: dict[str, str]
    missing: dict[str, int]
    unlisted: dict[str, int]
    divided: tuple[str, ...] = ()


def find_lists(root: Place) -> dict[str, list[Any]]:
    """The list files of a root, by split: `split/*.txt` in it, or in one of its folders (CCPD2019/split).

    A list named after a test subset (`ccpd_db.txt`) gives the split 'test'. Lists with other names are not part of
    the data set and are left out.
    """
    found: dict[str, list[Any]] = {}
    places = [at / name for at in [root, *folders(root)] for name in LIST_FOLDERS]
    for file in (file for place in places for file in _texts(place)):
        if file.stem in SPLITS:
            found.setdefault(file.stem, []).append(file)
        elif file.stem.removeprefix("ccpd_") in TESTING:
            found.setdefault("test", []).append(file)
    return found


def _texts(folder: Place) -> list[Any]:
    if isinstance(folder, Remote):
        return [file for file in folder.files() if file.suffix == ".txt"]
    return sorted(folder.glob("*.txt")) if os.path.isdir(folder) else []


def official_lists(root: Place, images: pa.Table) -> OfficialLists:
    """Reads the lists under `root`, with CCPD2020's folders as lists, and compares them with the photographs there.

    A line is `ccpd_base/NAME.jpg`, relative to the folder that holds `split`. A photograph on two lists keeps the
    first of train, val, test. A test subset that no list covers is all in 'test'; a training subset that none covers
    (CCPD2019 lists neither weather nor np) is `divided`, and so is all of CCPD2019 if only CCPD2020 has splits.

    Args:
        root: the folder of the photographs.
        images: raw_images or labels; path and subset are read.

    Raises:
        UserError: there is neither a list nor a folder of CCPD2020.
    """
    lists = find_lists(root)
    paths: dict[str, str] = dict(zip(images["path"].to_pylist(), images["subset"].to_pylist(), strict=True))
    splits: dict[str, str] = {}
    missing: dict[str, int] = {}
    for split in SPLITS:
        for file in lists.get(split, []):
            prefix = file.parent.parent.relative_to(root).as_posix()
            listed = [name if prefix == "." else f"{prefix}/{name}" for name in _lines(file)]
            here = [path for path in listed if path in paths]
            missing[file.relative_to(root).as_posix()] = len(listed) - len(here)
            for path in here:
                splits.setdefault(path, split)
    covered = {paths[path] for path in splits}
    for path, subset in paths.items():
        folder = PurePosixPath(path).parent.name
        if subset == GREEN and folder in SPLITS:
            splits.setdefault(path, folder)
        elif lists and subset in TESTING and subset not in covered:
            splits.setdefault(path, "test")
    if not splits and not lists:
        raise UserError(
            f"no official lists under {root}: neither split/train.txt nor the folders of CCPD2020's ccpd_green. "
            "Add the split folder of CCPD2019, or set split.method: plate."
        )
    unlisted = _count(paths[path] for path in paths if path not in splits)
    divided = set(unlisted) - {paths[path] for path in splits}
    return OfficialLists(splits, missing, unlisted, tuple(sorted(divided & {*TRAINING} if lists else divided)))


def has_official_splits(root: Place, images: pa.Table) -> bool:
    """Whether a delivery comes with splits: by lists, or, if it is only CCPD2020, by folders."""
    if find_lists(root):
        return True
    if not pc.all(pc.fill_null(pc.equal(images["subset"], GREEN), False)).as_py():
        return False
    return all(PurePosixPath(path).parent.name in SPLITS for path in images["path"].to_pylist())


def uses_lists(method: str, root: Place, images: pa.Table) -> bool:
    """Whether `split.method` (auto, official, plate) uses the authors' splits for a delivery."""
    return method == "official" or (method == "auto" and has_official_splits(root, images))


def _lines(file: Place) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}. Fix it with: chmod u+r {file}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not a list of photographs in UTF-8: {error}") from error
    return [line.strip().replace("\\", "/").removeprefix("./") for line in text.splitlines() if line.strip()]


def _count(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
