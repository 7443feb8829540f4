from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.ccpd.subsets import OfficialLists, has_official_splits, official_lists, subset_of
from plates.ccpd.table import IMAGE_COLUMNS, LABELS_SCHEMA, parse_labels
from plates.columns import SPLITS
from plates.errors import UserError
from plates.splits.split import SPLITS_SCHEMA, groups, split_by_plate, split_officially
from plates.splits.strata import photographs, strata


def boxes(rows: list[tuple[str, str | None]]) -> pa.Table:
    """One row for each path and plate; the subset is the path's."""
    return pa.table(
        {
            "path": [path for path, _ in rows],
            "subset": [subset_of(path) for path, _ in rows],
            "plate": pa.array([plate for _, plate in rows], pa.string()),
            "sha256": [f"hash of {path}" for path, _ in rows],
        }
    )


many = [(f"ccpd_base/{number:05d}.jpg", f"皖A{number % 2500:05d}") for number in range(5000)]


def splits_of(table: pa.Table, by: str = "plate") -> dict[str, set[str]]:
    splits: dict[str, set[str]] = {}
    for row in table.to_pylist():
        splits.setdefault(row[by], set()).add(row["split"])
    return splits


def test_no_plate_is_in_two_splits_and_the_fractions_hold() -> None:
    table = split_by_plate(boxes(many), seed=0, val_fraction=0.1, test_fraction=0.2).table
    assert table.schema.equals(SPLITS_SCHEMA)
    assert all(len(splits) == 1 for splits in splits_of(table).values())
    splits = table["split"].to_pylist()
    assert splits.count("test") / 5000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("val") / 5000 == pytest.approx(0.1, abs=0.02)
    assert table["image_id"].to_pylist() == list(range(1, 5001))
    assert table["path"].to_pylist() == sorted(table["path"].to_pylist())


@given(st.sets(st.integers(0, 4999), min_size=1), st.integers(0, 3))
@settings(max_examples=25)
def test_data_that_is_added_never_moves_a_plate(kept: set[int], seed: int) -> None:
    whole = splits_of(split_by_plate(boxes(many), seed).table)
    part = split_by_plate(boxes([many[number] for number in kept]), seed)
    moved = [plate for plate, split in splits_of(part.table).items() if whole[plate] != split]
    assert len(moved) <= part.counts.get("moved so that no split is empty", 0) <= 4


@pytest.mark.parametrize("count", range(3, 60))
def test_of_few_plates_each_split_gets_one(count: int) -> None:
    for seed in range(20):
        division = split_by_plate(boxes(many[:count]), seed)
        plates = division.table["split"].value_counts().to_pylist()
        assert {entry["values"] for entry in plates} == {"train", "val", "test"}
        assert division.counts.get("moved so that no split is empty", 0) <= 2


def test_a_split_that_is_not_asked_for_stays_empty_and_two_plates_fill_no_three() -> None:
    three = split_by_plate(boxes(many[:3]), 0, val_fraction=0.0).table["split"]
    assert set(three.to_pylist()) == {"train", "test"}
    two = split_by_plate(boxes(many[:2]), 0)
    assert len(set(two.table["split"].to_pylist())) < 3
    assert groups(boxes([*many[:2], many[2500], ("two.jpg", many[0][1]), ("two.jpg", many[1][1])])) == 1


def test_the_seed_matters_and_the_order_of_rows_does_not() -> None:
    first = split_by_plate(boxes(many), 0).table
    assert split_by_plate(boxes(many[::-1]), 0).table.equals(first)
    assert not split_by_plate(boxes(many), 1).table.equals(first)


def test_splits_of_known_plates_never_change() -> None:
    """Written down when the split was made: a change here moves every plate of every user."""
    rows = [(f"{plate}.jpg", plate) for plate in KNOWN]
    assert splits_of(split_by_plate(boxes([*many[100:200], *rows]), 0).table).items() >= KNOWN.items()


KNOWN = {"皖A00001": {"val"}, "皖A00002": {"train"}, "沪B12345": {"train"}}


def test_negatives_are_split_too_and_a_photograph_has_one_row() -> None:
    rows = [(f"ccpd_np/{number}.jpg", None) for number in range(400)]
    table = split_by_plate(boxes([*rows, ("two.jpg", "皖A00001"), ("two.jpg", "皖A00002")]), 0).table
    assert len(table) == 401
    assert table["plate"].null_count == 400
    assert set(table["split"].to_pylist()) == set(SPLITS)


def with_boxes(table: pa.Table, widths: list[float]) -> pd.DataFrame:
    """`boxes` as the labels table has them, each box as wide as said, 50 px high, in photographs of 1000x1000."""
    known = {"class": "license_plate", "province": "皖", "brightness": 100, "width": 1000, "height": 1000}
    return table.to_pandas().assign(**known, xmin=0.0, ymin=0.0, ymax=50.0, xmax=widths)


def test_strata_measure_how_evenly_subsets_and_sizes_are_divided() -> None:
    rows = [(f"ccpd_{'base' if number % 2 else 'blur'}/{number:05d}.jpg", f"皖A{number:05d}") for number in range(4000)]
    table = with_boxes(boxes(rows), [100.0 if number % 3 else 900.0 for number in range(4000)])
    splits = split_by_plate(boxes(rows), 0).table.to_pandas()

    even = strata(photographs(table, splits))
    skewed = strata(photographs(table, splits.assign(split=splits["split"].mask(splits["subset"] == "blur", "train"))))

    assert even["stratum"].tolist() == ["subset base", "subset blur", "size 0%-1%", "size 4%-8%"]
    assert even["photographs"].tolist()[:2] == [2000, 2000]
    assert even[[*SPLITS]].sum(axis=1).tolist() == pytest.approx([1] * 4)
    assert even["off"].max() < 0.03
    assert not even["uneven"].any()
    assert skewed["uneven"].tolist() == [True, True, False, False]


def test_a_stratum_of_few_plates_is_not_called_uneven() -> None:
    rows = [*many, *[(f"ccpd_tilt/{number}.jpg", f"沪B{number:05d}") for number in range(4)]]
    splits = split_by_plate(boxes(rows), 0).table.to_pandas()
    found = strata(photographs(with_boxes(boxes(rows), [100.0] * len(rows)), splits)).set_index("stratum")
    assert found.loc["subset tilt", "off"] > 0.05
    assert not found.loc["subset tilt", "uneven"]


def test_real_plates_are_divided_evenly_over_subsets_and_sizes(shared: Path) -> None:
    lines = [
        line
        for file in sorted((shared / "ccpd/labels").glob("*.txt"))
        for line in file.read_text(encoding="utf-8").split()
    ]
    rows = [
        {"subset": subset_of(line), "name": line.split("/")[1], "path": line, "width": 720, "height": 1160}
        for line in lines
    ]
    images = pa.Table.from_pylist(rows, schema=pa.schema([LABELS_SCHEMA.field(name) for name in IMAGE_COLUMNS]))
    labels, _ = parse_labels(images)
    found = strata(photographs(labels.to_pandas(), split_by_plate(labels, 0).table.to_pandas()))
    assert found["off"].max() < 0.01
    assert not found["uneven"].any()


def test_plates_joined_by_photographs_stay_together() -> None:
    chain = [("c/0.jpg", "皖A00000"), *[(f"c/{n}.jpg", f"皖A{m:05d}") for n in range(1, 60) for m in (n - 1, n)]]
    alone = [(f"c/alone{n}.jpg", f"沪A{n:05d}") for n in range(60)]
    table = split_by_plate(boxes([*chain, *alone]), 0).table
    chained = {row["split"] for row in table.to_pylist() if "alone" not in row["path"]}
    assert len(chained) == 1
    assert set(table["split"].to_pylist()) == set(SPLITS)
    again = split_by_plate(boxes(alone), 0).table
    kept = dict(zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert all(kept[row["path"]] == row["split"] for row in again.to_pylist())


def test_an_empty_table_and_bad_fractions() -> None:
    assert len(split_by_plate(boxes([]), 0).table) == 0
    with pytest.raises(UserError, match=r"split\.val_fraction"):
        split_by_plate(boxes(many), 0, val_fraction=0.6, test_fraction=0.4)


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    (tmp_path / "CCPD2019/split").mkdir(parents=True)
    lists = {
        "train": ["ccpd_base/a.jpg", "ccpd_base/b.jpg", "ccpd_base/gone.jpg", "ccpd_base/shared.jpg"],
        "val": ["ccpd_base/c.jpg", "ccpd_base/b.jpg"],
        "ccpd_db": ["ccpd_db/d.jpg", "ccpd_db/gone.jpg"],
    }
    for name, lines in lists.items():
        (tmp_path / f"CCPD2019/split/{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


OFFICIAL = [
    ("CCPD2019/ccpd_base/a.jpg", "皖A00001"),
    ("CCPD2019/ccpd_base/b.jpg", "皖A00002"),
    ("CCPD2019/ccpd_base/c.jpg", "皖A00003"),
    ("CCPD2019/ccpd_base/new.jpg", "皖A00004"),
    ("CCPD2019/ccpd_base/shared.jpg", "皖A00005"),
    ("CCPD2019/ccpd_db/d.jpg", "皖A00005"),
    ("CCPD2019/ccpd_db/extra.jpg", "皖A00006"),
    ("CCPD2019/ccpd_fn/f.jpg", "皖A00007"),
    ("CCPD2020/ccpd_green/val/g.jpg", "皖AD00001"),
]


def test_official_lists_against_what_is_there(delivery: Path) -> None:
    lists = official_lists(delivery, boxes(OFFICIAL))
    assert lists.missing == {
        "CCPD2019/split/train.txt": 1,
        "CCPD2019/split/val.txt": 0,
        "CCPD2019/split/ccpd_db.txt": 1,
    }
    assert lists.unlisted == {"base": 1, "db": 1}
    assert lists.splits["CCPD2019/ccpd_base/b.jpg"] == "train"
    assert lists.splits["CCPD2019/ccpd_fn/f.jpg"] == "test"
    assert lists.splits["CCPD2020/ccpd_green/val/g.jpg"] == "val"


def test_lists_that_an_editor_on_windows_has_saved_are_the_same(delivery: Path) -> None:
    lists = official_lists(delivery, boxes(OFFICIAL))
    for file in (delivery / "CCPD2019/split").iterdir():
        text = file.read_text().replace("/", "\\").replace("\n", "\r\n")
        file.write_bytes(text.encode("utf-8-sig"))
    assert official_lists(delivery, boxes(OFFICIAL)) == lists


def test_the_official_split_leaves_out_what_would_leak(delivery: Path) -> None:
    split = split_officially(boxes(OFFICIAL), official_lists(delivery, boxes(OFFICIAL)), 0)
    assert {row["path"].rpartition("/")[2]: row["split"] for row in split.table.to_pylist()} == {
        "a.jpg": "train",
        "b.jpg": "train",
        "c.jpg": "val",
        "d.jpg": "test",
        "f.jpg": "test",
        "g.jpg": "val",
    }
    assert split.counts["on no official list"] == 2
    assert split.counts["of train, left out: the plate is in test or val"] == 1
    assert all(len(splits) == 1 for splits in splits_of(split.table).values())


UNLISTED = [(f"CCPD2019/ccpd_{subset}/{number}.jpg", None) for subset in ("np", "weather") for number in range(40)]


def test_training_subsets_that_no_list_covers_are_divided_by_plate(delivery: Path) -> None:
    everything = boxes([*OFFICIAL, *UNLISTED, ("CCPD2019/mine/a.jpg", "皖A00009")])
    lists = official_lists(delivery, everything)
    split = split_officially(everything, lists, 0, val_fraction=0.3)
    assert lists.divided == ("np", "weather")
    splits = split.table.filter(pc.is_in(split.table["subset"], pa.array(["np", "weather"])))["split"].to_pylist()
    assert {split: splits.count(split) > 10 for split in splits} == {"train": True, "val": True}
    assert len(splits) == 80
    assert split.counts["of np, which no list covers, divided by plate"] == 40
    assert split.counts["on no official list"] == 3


def test_lists_without_a_test_photograph_there_halve_val(delivery: Path) -> None:
    base = [(f"CCPD2019/ccpd_base/{number}.jpg", f"皖B{number:05d}") for number in range(80)]
    for split, rows in (("train", base[:40]), ("val", base[40:])):
        lines = [path.removeprefix("CCPD2019/") for path, _ in rows]
        (delivery / f"CCPD2019/split/{split}.txt").write_text("\n".join(lines))
    split = split_officially(boxes(base), official_lists(delivery, boxes(base)), 0)
    splits = dict(zip(split.table["path"].to_pylist(), split.table["split"].to_pylist(), strict=True))
    assert {splits[path] for path, _ in base[:40]} == {"train"}
    counts = split.table["split"].to_pylist()
    taken = split.counts["of val, used for test: no test photograph of the lists exists"]
    assert counts.count("test") == taken
    assert counts.count("val") == 40 - taken
    assert 10 < taken < 30


def test_halving_val_leaves_both_halves_of_what_was_divided_by_plate(delivery: Path) -> None:
    (delivery / "CCPD2019/split/ccpd_db.txt").unlink()
    base = [row for row in OFFICIAL if "ccpd_base" in row[0]]
    everything = boxes([*base, *UNLISTED])
    split = split_officially(everything, official_lists(delivery, everything), 0, val_fraction=0.4)
    negatives = split.table.filter(pc.is_in(split.table["subset"], pa.array(["np", "weather"])))["split"].to_pylist()
    assert min(negatives.count(split) for split in SPLITS) > 5


def test_another_release_without_splits_leaves_those_of_ccpd2020(tmp_path: Path) -> None:
    green = [(f"CCPD2020/ccpd_green/{split}/{n}.jpg", f"皖AD{n:05d}") for split in SPLITS for n in range(9)]
    green = [(path, f"{plate[:-1]}{number}") for number, (path, plate) in enumerate(green, start=100)]
    alone = split_officially(boxes(green), official_lists(tmp_path, boxes(green)), 0)
    both = boxes([*green, *many])
    assert has_official_splits(tmp_path, boxes(green))
    assert not has_official_splits(tmp_path, both)
    split = split_officially(both, official_lists(tmp_path, both), 0)
    splits = dict(zip(split.table["path"].to_pylist(), split.table["split"].to_pylist(), strict=True))
    before = zip(alone.table["path"].to_pylist(), alone.table["split"].to_pylist(), strict=True)
    assert all(splits[path] == split for path, split in before)
    by_plate = split_by_plate(boxes(many), 0).table
    assert [splits[path] for path in by_plate["path"].to_pylist()] == by_plate["split"].to_pylist()


def test_lists_beside_the_subsets_of_the_root_itself(tmp_path: Path) -> None:
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text("./ccpd_base/a.jpg\r\n\r\n")
    lists = official_lists(tmp_path, boxes([("ccpd_base/a.jpg", "皖A00001")]))
    assert lists == OfficialLists({"ccpd_base/a.jpg": "train"}, {"splits/train.txt": 0}, {})


def test_no_lists_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no official lists"):
        official_lists(tmp_path, boxes(OFFICIAL[:1]))


@pytest.mark.parametrize(
    ("path", "subset"),
    [
        ("CCPD2019/ccpd_base/a.jpg", "base"),
        ("CCPD2020/ccpd_green/train/a.jpg", "green"),
        ("ccpd_db/a.jpg", "db"),
        ("CCPD_FN/a.jpg", "fn"),
        ("cars/autumn/a.jpg", "autumn"),
        ("a.jpg", "data.root"),
    ],
)
def test_the_subset_is_in_the_path(path: str, subset: str) -> None:
    assert subset_of(path) == subset
