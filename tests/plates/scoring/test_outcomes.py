"""What became of every photograph: which plates count as found, and the table that a record keeps."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clones import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.ccpd.score import best_boxes
from plates.columns import BOX
from plates.scoring import outcomes
from plates.settings.project import Project

LABELS = {1: "blue", 2: "green"}


def truth(*rows: tuple[str, str, tuple[float, ...]]) -> pd.DataFrame:
    return pd.DataFrame([(path, name, *box) for path, name, box in rows], columns=["path", "class", *BOX])


def found(*rows: tuple[str, int, float, tuple[float, ...]]) -> pd.DataFrame:
    columns = ["path", "class", "score", *BOX]
    return pd.DataFrame([(path, number, score, *box) for path, number, score, box in rows], columns=columns)


LEFT, RIGHT, FAR = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (90.0, 90.0, 99.0, 99.0)


def test_one_plate_is_found_by_the_best_scored_detection_or_not_at_all() -> None:
    plates = truth(("a", "blue", LEFT), ("b", "blue", LEFT), ("c", "blue", LEFT))
    detections = found(("a", 1, 0.2, LEFT), ("b", 1, 0.9, FAR), ("b", 1, 0.8, LEFT), ("d", 1, 1.0, LEFT))
    matched = outcomes.match(plates, detections, LABELS)
    assert matched["found"].tolist() == [True, False, False]
    assert matched["iou"].tolist() == [1.0, 0.0, 0.0]
    assert matched["score"].tolist() == [0.2, 0.9, 0.0]


def test_two_plates_are_found_by_two_detections_of_their_classes() -> None:
    plates = truth(("a", "blue", LEFT), ("a", "green", RIGHT), ("b", "blue", LEFT), ("b", "green", RIGHT))
    detections = found(("a", 1, 0.9, LEFT), ("a", 2, 0.8, RIGHT), ("b", 1, 0.9, LEFT), ("b", 1, 0.8, RIGHT))
    assert outcomes.match(plates, detections, LABELS)["found"].tolist() == [True, True, True, False]


def test_one_detection_finds_one_of_two_plates_that_lie_almost_alike() -> None:
    plates = truth(("a", "blue", LEFT), ("a", "blue", (0.0, 0.0, 10.0, 11.0)))
    matched = outcomes.match(plates, found(("a", 1, 0.9, LEFT)), LABELS)
    assert matched["found"].tolist() == [True, False]
    assert matched["iou"].tolist() == pytest.approx([1.0, 10 / 11])


def test_nothing_detected_and_nothing_to_find() -> None:
    none = outcomes.match(truth(("a", "blue", LEFT)), found(), LABELS)
    assert none.to_dict("records") == [{"found": False, "iou": 0.0, "score": 0.0}]
    assert len(outcomes.match(truth(), found(("a", 1, 0.9, LEFT)), LABELS)) == 0


edge = st.integers(0, 12)
box = st.tuples(edge, edge, st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)
path = st.sampled_from("abc")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(path, st.sampled_from(["blue", "green"]), box), min_size=1, max_size=8),
    st.lists(st.tuples(path, st.sampled_from([1, 2]), st.sampled_from([0.1, 0.5, 0.9]), box), max_size=12),
)
def test_matching_is_one_to_one_and_agrees_with_ccpd_where_one_plate_is_there(plates, detections) -> None:
    expected, seen = truth(*plates), found(*detections)
    matched = outcomes.match(expected, seen, LABELS)
    assert len(matched) == len(expected)
    assert (matched.loc[matched["found"], "iou"] >= outcomes.IOU).all()
    assert matched["iou"].between(0, 1).all()
    counted = expected.groupby("path").size()
    for name, right in matched["found"].groupby(expected["path"]).sum().items():
        assert right <= min(counted[name], (seen["path"] == name).sum())
    alone = expected[~expected["path"].duplicated(keep=False)].assign(subset="base")
    best = best_boxes(alone, seen).set_index("path") if len(alone) else pd.DataFrame(columns=["iou"])
    for name, iou in best["iou"].items():
        assert matched["iou"][expected["path"] == name].item() == pytest.approx(iou)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Tables of six photographs: two accepted, one without a plate, one set aside, one unparsed, one unlisted."""
    (tmp_path / "data").mkdir()
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    names = ["a", "b", "n", "bad", "odd", "other"]
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    nothing = (np.nan,) * 4

    def write(name: str, rows: list, columns: list[str]) -> None:
        pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "data" / f"{name}.parquet")

    write("raw_images", list(zip(names, hashes, strict=True)), ["path", "sha256"])
    accepted = [("a", "blue", *LEFT), ("a", "green", *RIGHT), ("b", "blue", *LEFT), ("n", None, *nothing)]
    write("boxes", accepted, ["path", "class", *BOX])
    write("rejected", [("bad", "blue", *FAR, ["box in image", "class known"])], ["path", "class", *BOX, "broken"])
    write("unparsed", [("odd", "corners")], ["path", "field"])
    write("splits", [("a", "test"), ("b", "train"), ("n", "test")], ["path", "split"])
    return Project(tmp_path)


def test_every_delivered_photograph_is_there_with_what_became_of_it(project: Project, tmp_path: Path) -> None:
    table = outcomes.outcomes(project, found(("a", 1, 0.9, LEFT), ("n", 1, 0.4, FAR)), "test", LABELS)
    assert table.schema.equals(outcomes.SCHEMA)
    rows = table.to_pandas().astype(object).where(lambda frame: frame.notna(), None)
    assert rows[["path", "class", "split", "rejected", "found"]].values.tolist() == [
        ["a", "blue", "test", None, True],
        ["a", "green", "test", None, False],
        ["b", "blue", "train", None, None],
        ["bad", "blue", None, "box in image, class known", None],
        ["n", None, "test", None, None],
        ["odd", None, None, "name does not parse: corners", None],
        ["other", None, None, "no annotation names it, or only a crowd", None],
    ]
    assert rows["sha256"][0] == hashlib.sha256(b"a").digest()
    assert outcomes.counts(table) == {
        "images": 3,
        "boxes": 3,
        "rejected": 1,
        "unparsed": 1,
        "splits": {"train": 1, "val": 0, "test": 2},
    }
    for name in ("one.parquet", "two.parquet"):
        outcomes.write(tmp_path / name, table)
    assert pq.read_table(tmp_path / "one.parquet").equals(table)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_detector_without_boxes_finds_and_misses_nothing(project: Project) -> None:
    table = outcomes.outcomes(project, None, "test", LABELS)
    assert table["found"].null_count == len(table)


def test_a_photograph_takes_less_than_120_bytes(tmp_path: Path) -> None:
    """Names like CCPD's, hashes that no compression helps with, a fifth of them scored."""
    random = np.random.default_rng(0)
    count = 20_000
    numbers = random.integers(0, 700, (count, 12))
    names = sorted(
        "025-95_113-{}&{}_{}&{}-{}&{}_{}&{}_{}&{}_{}&{}-0_0_22_27_27_33_16-37-15.jpg".format(*n) for n in numbers
    )
    scored = random.random(count) < 0.2
    columns = {
        "path": [f"ccpd_base/{name}" for name in names],
        "sha256": [random.bytes(32) for _ in range(count)],
        "class": ["license_plate"] * count,
        **{edge: random.integers(0, 700, count).astype(np.float32) for edge in BOX},
        "split": np.where(scored, "test", "train").tolist(),
        "rejected": [None] * count,
        "found": [
            bool(right) if known else None for right, known in zip(random.random(count) < 0.9, scored, strict=True)
        ],
        "iou": [float(value) if known else None for value, known in zip(random.random(count), scored, strict=True)],
        "score": [float(value) if known else None for value, known in zip(random.random(count), scored, strict=True)],
    }
    outcomes.write(tmp_path / "outcomes.parquet", pa.table(columns, schema=outcomes.SCHEMA))
    assert (tmp_path / "outcomes.parquet").stat().st_size / count < 120


def test_a_photograph_that_was_not_read_has_no_hash(project: Project, tmp_path: Path) -> None:
    """Such as one whose name is not UTF-8: it is counted, and ends nothing."""
    file = tmp_path / "data/raw_images.parquet"
    images = pd.read_parquet(file)
    images.loc[images["path"] == "odd", "sha256"] = None
    images.to_parquet(file)
    rows = outcomes.outcomes(project, None, "test", LABELS).to_pylist()
    assert {row["path"] for row in rows if row["sha256"] is None} == {"odd"}
