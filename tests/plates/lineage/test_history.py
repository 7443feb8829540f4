"""A photograph is followed through every evaluation: by its name, and by its content where that has a new name."""

from pathlib import Path

import pyarrow as pa
from recorded import cached, make

from plates.columns import BOX
from plates.hashes import content_hash
from plates.lineage import record as records
from plates.lineage.history import history, label, outcome
from plates.scoring import outcomes

CONTENT = b"c" * 32


def evaluation(project: Path, content: str, delivery: bytes, rows: list[dict]) -> None:
    """A record whose outcomes are `rows` among 10,000 photographs that are always there, several row groups of them."""
    always = [{"path": f"always/{number:05d}.jpg", "sha256": f"{number:032d}".encode()} for number in range(10_000)]
    table = sorted([*always, *rows], key=lambda row: row["path"])
    file = project / "outcomes.parquet"
    outcomes.write(file, pa.Table.from_pylist(table, schema=outcomes.SCHEMA))
    written = {"data/outcomes.parquet": file.read_bytes(), "data/raw_images.parquet": delivery}
    make(project, content, "a: 1\n", written, outcomes=content_hash(file))


def row(path: str, split: str, xmin: float = 10.0, content: bytes = CONTENT, **more: object) -> dict:
    box = dict(zip(BOX, (xmin, 20.0, 100.0, 50.0), strict=True))
    return {"path": path, "sha256": content, "class": "license_plate", **box, "split": split, **more}


def test_a_new_name_a_new_split_and_another_label_do_not_lose_it(project: Path) -> None:
    other = {"found": True, "iou": 0.9, "score": 0.8}
    evaluation(project, "1", b"one", [row("p/old.jpg", "train")])
    evaluation(project, "22", b"two", [row("p/new.jpg", "test", 15.0, found=False, iou=0.25, score=0.5)])
    evaluation(project, "333", b"two", [row("p/new.jpg", "test", 15.0, **other)])
    evaluation(project, "4444", b"three", [])
    evaluation(project, "55555", b"four", [row("p/new.jpg", None, 15.0, rejected="box_is_square")])
    found = records.read_all(project)
    for path, content in (("p/new.jpg", None), ("p/old.jpg", None), (None, CONTENT), ("p/new.jpg", CONTENT)):
        seen = history(project, found, path, content).seen
        assert [[line["path"] for line in one.rows] for one in seen] == [
            ["p/old.jpg"],
            ["p/new.jpg"],
            ["p/new.jpg"],
            [],
            ["p/new.jpg"],
        ]
        told = [(label(one.rows), outcome(one.rows)) for one in seen if one.rows]
        assert told == [
            ("license_plate 10 20 100 50", "trained on"),
            ("license_plate 15 20 100 50", "missed, IoU 0.25, score 0.50"),
            ("license_plate 15 20 100 50", "found, IoU 0.90, score 0.80"),
            ("license_plate 15 20 100 50", "set aside: box_is_square"),
        ]


def test_what_is_not_kept_is_counted_and_what_is_unknown_is_unknown(project: Path) -> None:
    evaluation(project, "1", b"one", [row("p/a.jpg", "train")])
    evaluation(project, "22", b"one", [row("p/a.jpg", "train"), row("p/b.jpg", "val", content=b"b" * 32)])
    make(project, "333", "a: 1\n")
    found = records.read_all(project)
    assert not history(project, found, "p/never.jpg", None).known
    assert [len(one.rows) for one in history(project, found, "p/b.jpg", None).seen] == [0, 1]
    assert history(project, found, "p/a.jpg", None).unkept == [found[2]]
    cached(project, found[0].outcomes).unlink()
    left = history(project, found, "p/a.jpg", None)
    assert left.unkept == [found[0], found[2]]
    assert [one.record for one in left.seen] == [found[1]]


def test_a_photograph_is_set_aside_only_with_all_its_boxes() -> None:
    rejected = {"rejected": "box_sides_positive", "split": None, "found": None}
    scored = {"rejected": None, "split": "test", "found": True, "iou": 0.9, "score": 0.8}
    assert outcome([rejected, scored]) == "found, IoU 0.90, score 0.80"
    assert outcome([rejected, {"rejected": None, "split": "train", "found": None}]) == "trained on"
    assert outcome([rejected, rejected]) == "set aside: box_sides_positive"
