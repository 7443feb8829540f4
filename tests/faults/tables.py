"""Faults of the tables and photographs of a project, called with the project and an amount."""

import hashlib
import shutil
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from plates.columns import BOX
from plates.settings.project import Project

Edit = Callable[[Project, float], None]


def boxes(change: Callable[[pd.DataFrame, np.random.Generator, float], pd.DataFrame], *splits: str) -> Edit:
    """Changes rows of `data/boxes.parquet`, those of some splits."""

    def edit(project: Project, amount: float) -> None:
        path = project.path("data/boxes.parquet")
        table = pd.read_parquet(path)
        split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
        chosen = split.isin(splits or ("train", "val", "test"))
        changed = change(table[chosen].copy(), np.random.default_rng(0), amount)
        pd.concat([changed, table[~chosen]]).sort_index().to_parquet(path)

    return edit


def inside(table: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """The table with these boxes, cut at the edge of the picture and at least 8 px wide."""
    size = np.tile(table[["width", "height"]].to_numpy(float), 2)
    values = np.clip(values, 0, size)
    low = np.minimum(values[:, :2], size[:, :2] - 8)
    table[BOX] = np.concatenate([low, np.maximum(values[:, 2:], low + 8)], axis=1)
    return table


def some(table: pd.DataFrame, random: np.random.Generator, share: float) -> np.ndarray:
    """A random share of the rows, as a mask."""
    return random.random(len(table)) < share


def swapped(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float, copy=True)
    hit = some(table, random, share)
    values[hit] = values[hit][:, [1, 0, 3, 2]]
    return inside(table, values)


def scaled(table: pd.DataFrame, random: np.random.Generator, factor: float) -> pd.DataFrame:
    return inside(table, table[BOX].to_numpy(float) * factor)


def shuffled(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float, copy=True)
    hit = np.flatnonzero(some(table, random, share) & table["class"].notna())
    values[hit] = values[random.permutation(hit)]
    return inside(table, values)


def shifted(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float)
    return inside(table, values + share * (values[:, [2]] - values[:, [0]]) * np.array([1, 0, 1, 0]))


def shaken(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float)
    sizes = values[:, 2:] - values[:, :2]
    moved = random.uniform(-2 * share, 2 * share, sizes.shape) * sizes
    return inside(table, values + np.tile(moved, 2))


def tightened(table: pd.DataFrame, random: np.random.Generator, factor: float) -> pd.DataFrame:
    """Every box at this factor of its size, around its centre."""
    values = table[BOX].to_numpy(float)
    centre = np.tile((values[:, :2] + values[:, 2:]) / 2, 2)
    return inside(table, centre + factor * (values - centre))


def unlabelled(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    table.loc[some(table, random, share), ["class", *BOX]] = None
    return table


def without_green(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    names = table["class"].value_counts()
    hit = (table["class"] == names.index[-1]).to_numpy() & some(table, random, share)
    table.loc[hit, ["class", *BOX]] = None
    return table


def by_size(project: Project, share: float) -> None:
    """The largest plates go to test, others stay where they are."""
    path = project.path("data/splits.parquet")
    splits = pd.read_parquet(path)
    table = pd.read_parquet(project.path("data/boxes.parquet")).set_index("path")
    width = splits["path"].map(table["xmax"] - table["xmin"]).fillna(0)
    count = int((splits["split"] == "test").sum() * share)
    large = width.sort_values(ascending=False).index[:count]
    away = splits.index[(splits["split"] == "test") & ~splits.index.isin(large)][:count]
    splits.loc[away, "split"] = "train"
    splits.loc[large, "split"] = "test"
    splits.to_parquet(path)


def leaked(project: Project, share: float) -> None:
    """Plates of the test photographs are in train too."""
    path = project.path("data/boxes.parquet")
    table = pd.read_parquet(path)
    split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
    test = table.index[split == "test"]
    chosen = test[: max(1, int(share * len(test)))]
    table.loc[chosen, "plate"] = table.loc[split == "train", "plate"].to_numpy()[: len(chosen)]
    table.to_parquet(path)


def copied(project: Project, share: float) -> None:
    """Training photographs become copies of others: same content and labels, other names."""
    path = project.path("data/boxes.parquet")
    table = pd.read_parquet(path)
    split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
    own_photographs(project)
    train = table.index[split == "train"]
    copies, kept = train[: int(share * len(train))], train[int(share * len(train)) :]
    source = np.resize(kept, len(copies))
    for target, one in zip(copies, source, strict=True):
        old, new = project.photographs / table.loc[one, "path"], project.photographs / table.loc[target, "path"]
        new.unlink()
        new.write_bytes(old.read_bytes())
        table.loc[target, table.columns.difference(["path", "name"])] = table.loc[one]
    table.to_parquet(path)


def from_another_camera(project: Project, factor: float) -> None:
    """Test photographs are of a camera that is darker and blurred."""
    path = project.path("data/boxes.parquet")
    table = pd.read_parquet(path)
    own_photographs(project)
    split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
    test = table.index[split == "test"]
    for row in test:
        file = project.photographs / table.loc[row, "path"]
        with Image.open(file) as image:
            darker = image.point(lambda value: value * factor).filter(ImageFilter.GaussianBlur(2 / factor))
        file.unlink()
        darker.save(file, quality=90)
        table.loc[row, "sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    table.loc[test, "brightness"] = (factor * table.loc[test, "brightness"]).round()
    table.to_parquet(path)


def corrupted(project: Project, share: float) -> None:
    """This share of the bytes of a shard of train, or one, has other values."""
    shard = next(iter(sorted(project.path("data/tfrecords").glob("*train*"))))
    content = np.frombuffer(shard.read_bytes(), np.uint8).copy()
    hit = np.random.default_rng(0).integers(len(content), size=max(1, int(share * len(content))))
    content[hit] ^= 0xFF
    shard.write_bytes(content.tobytes())


def own_photographs(project: Project) -> None:
    """Copies the photographs, which are a link to the healthy project's."""
    own = project.root / "data" / "own"
    shutil.copytree(project.photographs, own)
    project.photographs.unlink()
    own.rename(project.photographs)
