"""Every planted change of a photograph is found, and nothing else."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.columns import BOX
from plates.lineage.photographs import KINDS, compare

ROWS = ["path", "sha256", "class", *BOX, "split", "rejected", "found", "iou", "score"]


def photographs(count: int, seed: int = 0) -> pd.DataFrame:
    """One plate a photograph, but for two in every fifth and none in every seventh; a third scored."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        path = f"ccpd_base/{number:05d}.jpg"
        split = ("train", "val", "test")[number % 3]
        for plate in range(2 if number % 5 == 0 else 1):
            left, top = random.integers(0, 500, 2)
            box = (float(left), float(top), float(left + 90 + plate), float(top + 30))
            named = number % 7 != 0
            scored = split == "test" and named
            rows.append(
                (
                    path,
                    sha(path),
                    "license_plate" if named else None,
                    *(box if named else (np.nan,) * 4),
                    split,
                    None,
                    bool(random.random() < 0.8) if scored else None,
                    0.8 if scored else np.nan,
                    0.9 if scored else np.nan,
                )
            )
            if not named:
                break
    return pd.DataFrame(rows, columns=ROWS)


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def kinds(changes: pd.DataFrame) -> dict[str, set[str]]:
    return {
        kind: set(changes.loc[changes["kind"] == kind, "path"]) for kind in KINDS if (changes["kind"] == kind).any()
    }


def of(rows: pd.DataFrame, path: str) -> pd.Series:
    return rows["path"] == path


def test_nothing_changed_is_nothing_found() -> None:
    first = photographs(60)
    found = compare(first, first.sample(frac=1, random_state=0))
    assert found.changes.empty
    assert found.turned.empty
    assert found.photographs == (60, 60)
    assert set(found.scored["path"]) == set(first.loc[first["found"].notna(), "path"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_planted_changes_are_found_exactly(data: st.DataObject) -> None:
    first = photographs(70)
    second = first.copy()
    names = first["path"].drop_duplicates().tolist()
    chosen = data.draw(st.permutations(names)).copy()
    planted: dict[str, set[str]] = {}

    def take(kind: str) -> list[str]:
        some = [chosen.pop() for _ in range(data.draw(st.integers(0, 5), label=kind))]
        planted[kind] = set(some)
        return some

    for path in take("replaced"):
        second.loc[of(second, path), "sha256"] = pd.Series([sha("new")] * len(second))
    for path in take("moved"):
        split = second.loc[of(second, path), "split"].iloc[0]
        second.loc[of(second, path), "split"] = {"train": "val", "val": "test", "test": "train"}[split]
    for path in take("rejected"):
        second.loc[of(second, path), ["split", "rejected"]] = [None, "box in image"]
    for path in take("taken back"):
        first.loc[of(first, path), ["split", "rejected"]] = [None, "box in image"]
    for path in take("relabelled"):
        second.loc[of(second, path), ["class", *BOX]] = ["license_plate", 1.0, 2.0, 3.0, 4.0]
    for path in take("renamed"):
        second.loc[of(second, path), "path"] = f"new/{path}"
    planted["renamed"] = {f"new/{path}" for path in planted["renamed"]}
    left = take("left")
    second = second[~second["path"].isin(left)]
    came = photographs(5, seed=1)
    came["path"] = "came/" + came["path"]
    came["sha256"] = came["path"].map(sha)
    second = pd.concat([second, came])
    planted["came"] = set(came["path"])
    found = compare(first, second.sample(frac=1, random_state=0))
    assert kinds(found.changes) == {kind: paths for kind, paths in planted.items() if paths}
    touched = set().union(*(planted[kind] for kind in ("replaced", "relabelled", "came")))
    assert not touched & set(found.scored["path"])


@pytest.mark.parametrize(
    ("box", "pixels"),
    [((10.0, 20.0, 100.0, 50.0), 0.0), ((13.0, 20.0, 100.0, 50.0), 3.0), ((9.5, 20.0, 100.0, 45.0), 5.0)],
)
def test_pixels_are_how_far_the_farthest_edge_moved(box: tuple[float, ...], pixels: float) -> None:
    row = ("a.jpg", sha("a"), "blue", 10.0, 20.0, 100.0, 50.0, "train", None, None, np.nan, np.nan)
    first = pd.DataFrame([row], columns=ROWS)
    second = first.copy()
    second[BOX] = box
    changes = compare(first, second).changes
    assert changes["pixels"].tolist() == ([] if pixels == 0 else [pixels])


def test_a_box_that_passes_another_is_not_taken_for_it() -> None:
    row = ("a.jpg", sha("a"), "blue", 10.0, 20.0, 100.0, 50.0, "train", None, None, np.nan, np.nan)
    first = pd.DataFrame([row, row], columns=ROWS).assign(xmin=[10.0, 12.0], ymin=[20.0, 300.0], ymax=[50.0, 330.0])
    second = first.assign(xmin=[14.0, 12.0])
    assert compare(first, second).changes["pixels"].tolist() == [4.0]


def test_another_class_another_count_and_a_label_in_a_new_name() -> None:
    blue = ("a.jpg", sha("a"), "blue", 10.0, 20.0, 100.0, 50.0, "train", None, None, np.nan, np.nan)
    first = pd.DataFrame([blue], columns=ROWS)
    green = first.assign(**{"class": "green"})
    (row,) = compare(first, green).changes.to_dict("records")
    assert (row["before"], row["after"], row["pixels"]) == ("blue 10 20 100 50", "green 10 20 100 50", 0.0)
    two = pd.concat([first, first.assign(xmin=5.0)])
    (row,) = compare(first, two).changes.to_dict("records")
    assert (row["after"], np.isnan(row["pixels"])) == ("blue 5 20 100 50; blue 10 20 100 50", True)
    none = first.assign(**{"class": None, **dict.fromkeys(BOX, np.nan)})
    (row,) = compare(first, none).changes.to_dict("records")
    assert (row["after"], np.isnan(row["pixels"])) == ("no plate", True)
    changes = compare(first, first.assign(path="b.jpg", xmax=104.0)).changes.set_index("kind")
    assert changes.loc["relabelled", ["path_before", "path", "pixels"]].tolist() == ["a.jpg", "b.jpg", 4.0]
    assert len(changes) == 1


def test_copies_of_one_picture_are_paired_one_to_one() -> None:
    row = (sha("same"), "blue", 10.0, 20.0, 100.0, 50.0, "train", None, None, np.nan, np.nan)
    first = pd.DataFrame([("a.jpg", *row), ("b.jpg", *row)], columns=ROWS)
    second = pd.DataFrame([("c.jpg", *row)], columns=ROWS)
    assert kinds(compare(first, second).changes) == {"renamed": {"c.jpg"}, "left": {"b.jpg"}}


def test_plates_that_turned_are_told_one_by_one() -> None:
    first = photographs(60)
    second = first.copy()
    found = first.index[first["found"].notna()]
    flipped = found[::4]
    second.loc[flipped, "found"] = ~first.loc[flipped, "found"].astype(bool)
    second.loc[flipped, ["iou", "score"]] = [0.3, 0.2]
    turned = compare(first, second).turned
    expected = ["right" if second.at[row, "found"] else "wrong" for row in flipped]
    assert turned["turned"].tolist() == expected
    assert turned["path"].tolist() == first.loc[flipped, "path"].tolist()
    assert turned["iou"].tolist() == pytest.approx([0.3] * len(flipped))
    assert turned["score_before"].tolist() == pytest.approx([0.9] * len(flipped))


def test_a_photograph_with_a_rejected_box_is_in_use_if_another_box_is() -> None:
    row = ("a.jpg", sha("a"), "blue", 300.0, 20.0, 400.0, 50.0, "test", None, True, 0.9, 0.9)
    rejected = ("a.jpg", sha("a"), "blue", 10.0, 20.0, 10.0, 50.0, None, "box_sides_positive", None, np.nan, np.nan)
    kept = pd.DataFrame([rejected, row], columns=ROWS)
    aside = pd.DataFrame([rejected, (*row[:7], None, "picture_whole", None, np.nan, np.nan)], columns=ROWS)
    assert kinds(compare(aside, kept).changes) == {"taken back": {"a.jpg"}}
    assert kinds(compare(kept, aside).changes) == {"rejected": {"a.jpg"}}


def test_photographs_that_were_never_read_are_neither_replaced_nor_paired() -> None:
    odd = (None, None, *(np.nan,) * 4, None, "name does not parse: area", None, np.nan, np.nan)
    first = pd.DataFrame([("a.jpg", *odd), ("b.jpg", *odd)], columns=ROWS)
    assert compare(first, first).changes.empty
    second = pd.DataFrame([("a.jpg", *odd), ("c.jpg", *odd)], columns=ROWS)
    assert kinds(compare(first, second).changes) == {"came": {"c.jpg"}, "left": {"b.jpg"}}
