"""Labels that two trainings contradict are found, and labels that they confirm are not."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from resampled import SEEDS, detections, truth

from plates.columns import BOX
from plates.suspects import page
from plates.suspects.ranking import APART, FOUND, KINDS, LISTED, MISSED, MOVED, NONE, SWAPPED, displaced, iou, suspects

PLATE = [100.0, 100.0, 200.0, 140.0]
ELSEWHERE = [400.0, 300.0, 500.0, 340.0]


def label(box: list[float] | None, image: int = 1) -> pd.DataFrame:
    row = {"image_id": image, "path": f"{image}.jpg", "class": "plate" if box else None}
    return pd.DataFrame([row | dict(zip(BOX, box or [None] * 4, strict=True))])


def found(*boxes: list[float], score: float = 0.9, image: int = 1) -> pd.DataFrame:
    """One box of each training."""
    rows = [
        {"image_id": image, "training": number, "class": 1, "score": score, **dict(zip(BOX, box, strict=True))}
        for number, box in enumerate(boxes)
    ]
    return pd.DataFrame(rows)


def kinds(table: pd.DataFrame) -> list[str]:
    return table["kind"].tolist()


def moved(box: list[float], right: float = 0.0, down: float = 0.0) -> list[float]:
    return [box[0] + right, box[1] + down, box[2] + right, box[3] + down]


def test_a_label_that_both_confirm_is_no_suspect() -> None:
    assert suspects(label(PLATE), found(moved(PLATE, 1), moved(PLATE, -1))).empty


@pytest.mark.parametrize(
    ("labelled", "kind"),
    [(None, MISSED), (ELSEWHERE, SWAPPED), (moved(PLATE, right=15), MOVED), (moved(PLATE, down=6), MOVED)],
)
def test_what_both_contradict_is_named(labelled: list[float] | None, kind: str) -> None:
    table = suspects(label(labelled), found(PLATE, moved(PLATE, 1)))
    assert kinds(table) == [kind]
    assert table[FOUND].to_numpy()[0] == pytest.approx(moved(PLATE, 0.5))
    assert table[BOX].isna().all(axis=None) == (labelled is None)


def test_one_training_alone_decides_nothing() -> None:
    assert suspects(label(None), found(PLATE)).empty
    assert suspects(label(None), found(PLATE, ELSEWHERE)).empty
    assert suspects(label(moved(PLATE, 15)), found(PLATE, moved(PLATE, 15))).empty


def test_what_is_hardly_seen_is_no_ground_for_a_doubt() -> None:
    assert suspects(label(None), found(PLATE, PLATE, score=0.2)).empty


def test_decided_photographs_are_left_out() -> None:
    assert suspects(label(None), found(PLATE, PLATE), decided=["1.jpg"]).empty


def test_of_two_plates_the_one_without_a_label_is_named() -> None:
    both = pd.concat([found(PLATE, PLATE), found(ELSEWHERE, ELSEWHERE)])
    table = suspects(label(ELSEWHERE), both)
    assert kinds(table) == [MISSED]
    assert table[FOUND].to_numpy()[0].tolist() == PLATE


def test_a_box_that_ends_too_early_is_not_moved() -> None:
    """Detectors see the end of a long plate late: one edge is off, the other is not."""
    short = np.array([[130.0, 100.0, 200.0, 140.0]] * 2)
    assert displaced(np.array(PLATE), short) == 0.0
    assert displaced(np.array(PLATE), short + np.array([0, 0, 40, 0])) == pytest.approx(0.3)


def test_the_proposals_are_lines_of_decisions() -> None:
    table = suspects(
        pd.concat([label(None), label(None, 2)]), pd.concat([found(PLATE, PLATE), found(PLATE, PLATE, image=2)])
    )
    assert page.proposals(table) == ["1.jpg,fix,100,100,200,140", "2.jpg,fix,100,100,200,140"]
    twice = pd.concat([found(PLATE, PLATE), found(ELSEWHERE, ELSEWHERE)])
    assert page.proposals(suspects(label(None), twice)) == [], "a photograph has one line"


def test_the_page_shows_a_crop_of_each_and_the_lines(tmp_path: Path) -> None:
    photograph = tmp_path / "1.jpg"
    Image.new("RGB", (720, 1160)).save(photograph)
    expected = pd.concat([label(None), label(moved(PLATE, 15), 2)]).assign(sha256="")
    table = suspects(expected, pd.concat([found(PLATE, PLATE), found(PLATE, PLATE, image=2)]))
    pictures = page.write(tmp_path / "page.html", table, expected, lambda path, sha256: photograph, 5, 0)
    assert len(pictures) == 2
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<figure>") == 2
    for line in page.proposals(table):
        assert line in text
    page.write(tmp_path / "page.html", NONE, expected, lambda path, sha256: photograph, 0, 0)
    assert "The search is off" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_iou_is_that_of_the_areas() -> None:
    assert iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).tolist() == [[1 / 3, 0.0]]
    assert 0 < APART < 1
    assert 0 < LISTED < 1
    assert list(KINDS) == [MISSED, MOVED, SWAPPED]


def voted(table: pd.DataFrame, over: float = 0.6) -> pd.DataFrame:
    """Each box as the mean of those of its photograph that overlap it, as the trainings' own post-processing does."""
    parts = []
    for _, one in table.groupby("image_id"):
        boxes, weights = one[BOX].to_numpy(float), one["score"].to_numpy(float) ** 2
        near = (iou(boxes, boxes) > over) * weights
        parts.append(one.assign(**pd.DataFrame(near @ boxes / near.sum(axis=1)[:, None], one.index, BOX)))
    return pd.concat(parts)


@pytest.mark.parametrize("plantings", [2, pytest.param(20, marks=pytest.mark.long)])
def test_planted_faults_are_found(plantings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """2% faults in the labels of 158 test scenes, judged by what two trainings of the default run found on them."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    sys.modules.pop("suspects", None)
    from suspects import planted

    expected = truth()
    judges = pd.concat([voted(detections(seed)).assign(training=seed) for seed in SEEDS])
    hits = listed = faults = 0
    for seed in range(plantings):
        spoiled, kind = planted(expected, seed)
        images = set(suspects(spoiled, judges)["image_id"])
        hits, listed, faults = hits + len(images & set(kind)), listed + len(images), faults + len(kind)
    print(f"{hits / faults:.3f} of {faults} planted faults found; {hits} of {listed} suspects are faults")
    if plantings >= 20:
        assert hits / faults >= 0.8
    assert hits / listed >= 0.9
