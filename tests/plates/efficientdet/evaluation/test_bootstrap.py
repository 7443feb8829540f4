"""Draws against resampling by hand, and intervals against the sampling that they stand for."""

import numpy as np
import pandas as pd
import pytest

from plates.columns import BOX
from plates.efficientdet.evaluation import bootstrap
from plates.efficientdet.evaluation.bootstrap import Draws, interval
from plates.efficientdet.evaluation.matching import Matched, Matches, match
from plates.efficientdet.evaluation.metrics import summarize
from plates.errors import UserError

LABELS = {1: "blue", 2: "green"}


def scenes(photographs: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detections and truth: one or two plates a photograph, found, found loosely, missed, and false ones."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for image in range(1, photographs + 1):
        for number in range(random.integers(1, 3)):
            kind = int(random.integers(1, 3))
            box = np.array([200 * number, 0, 200 * number + 100, 40]) + random.uniform(0, 9)
            truth.append((image, LABELS[kind], *box))
            if random.random() < 0.85:
                found.append((image, kind, random.beta(5, 2), *(box + random.normal(0, 4, 4))))
        for _ in range(random.integers(0, 5)):
            left, top = random.uniform(0, 400, 2)
            found.append((image, int(random.integers(1, 3)), random.beta(2, 4), left, top, left + 90, top + 40))
    return (
        pd.DataFrame(found, columns=["image_id", "class", "score", *BOX]),
        pd.DataFrame(truth, columns=["image_id", "class", *BOX]),
    )


def drawn(table: pd.DataFrame, photographs: np.ndarray) -> pd.DataFrame:
    """The rows of `photographs`, as often as each is in them, under ids of their own."""
    copies = [table[table["image_id"] == image].assign(image_id=place) for place, image in enumerate(photographs)]
    return pd.concat(copies, ignore_index=True)


def test_a_draw_has_the_figures_of_its_photographs() -> None:
    detections, truth = scenes(30)
    matches = match([detections], truth, LABELS)
    keys = np.arange(30) // 2  # two photographs a plate
    draws = Draws.of(keys, draws=12, seed=3)
    figures = draws.figures(matches)
    for number, weights in enumerate(draws.weights):
        photographs = np.repeat(matches.photographs, weights[draws.groups])
        expected = summarize(match([drawn(detections, photographs)], drawn(truth, photographs), LABELS)).metrics
        for name in bootstrap.FIGURES:
            assert figures[name][number] == pytest.approx(getattr(expected, name), abs=1e-6)


def test_bins_move_a_figure_by_no_more_than_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    matches = match([scenes(120)[0]], scenes(120)[1], LABELS)
    draws = Draws.of(np.arange(120), draws=20)
    exact = draws.figures(matches)
    monkeypatch.setattr(bootstrap, "BINS", 40)
    rough = draws.figures(matches)
    assert (rough["mAP"] != exact["mAP"]).any()
    assert np.abs(rough["mAP"] - exact["mAP"]).max() < 1 / 40
    assert rough["mAP"][0] == pytest.approx(summarize(matches).metrics.mAP, abs=1e-12)
    assert rough["AR"] == pytest.approx(exact["AR"])


def test_a_share_is_counted_by_groups() -> None:
    draws = Draws(np.array([0, 0, 1]), np.array([[1, 1], [2, 0], [0, 2]], np.uint8))
    assert draws.share(np.array([1, 0, 1]), np.ones(3)).tolist() == pytest.approx([2 / 3, 1 / 2, 1])
    assert np.isnan(draws.share(np.zeros(3), np.zeros(3))).all()


def test_intervals_of_few_photographs_hold_the_figure_of_all() -> None:
    """Of 150 samples of 15 photographs; bare percentiles of the draws hold it in 0.91 of them."""
    detections, truth = scenes(1000)
    whole = match([detections.assign(**{"class": 1})], truth.assign(**{"class": "blue"}), {1: "blue"})
    mAP, held, random = summarize(whole).metrics.mAP, 0, np.random.default_rng(1)
    for sample in range(150):
        photographs = random.integers(1000, size=15)
        draws = Draws.of(np.arange(15), 150, sample)
        found = interval(draws.figures(at(whole, photographs))["mAP"], 15, 15)
        held += found is not None and found.low <= mAP <= found.high
    assert 0.94 <= held / 150 <= 0.99


def at(matches: Matches, photographs: np.ndarray) -> Matches:
    """The photographs at these places, as often as each is named."""
    classes = {}
    for name, matched in matches.classes.items():
        rows, new = np.nonzero(matched.places[:, None] == photographs)  # by score, as they were
        hits, ignored = matched.hits[:1, rows], matched.ignored[:1, rows]
        boxes = matched.boxes[:1, photographs]
        classes[name] = Matched(new.astype(np.int32), matched.scores[rows], matched.ranks[rows], hits, ignored, boxes)
    return Matches(np.arange(len(photographs)), classes)


def test_photographs_of_one_plate_make_the_interval_wider() -> None:
    detections, truth = scenes(40)
    copies = [table.assign(image_id=table["image_id"] + 40 * n) for n in range(4) for table in (detections,)]
    truths = [truth.assign(image_id=truth["image_id"] + 40 * n) for n in range(4)]
    matches = match([pd.concat(copies)], pd.concat(truths), LABELS)

    def width(keys: np.ndarray) -> float:
        found = interval(Draws.of(keys, draws=300).figures(matches)["mAP"], len(set(keys)))
        assert found is not None
        return found.high - found.low

    together = width(matches.photographs % 40)
    assert 1.5 < together / width(matches.photographs) < 2.7  # 2 is the root of four copies


def test_a_slice_without_boxes_has_no_interval() -> None:
    detections, truth = scenes(10)
    nothing = match([detections], truth, LABELS).only(np.zeros(10, bool))
    figures = Draws.of(np.arange(10), draws=50).figures(nothing)
    assert np.isnan(figures["mAP"]).all()
    assert interval(figures["mAP"], 10) is None
    with pytest.raises(UserError):
        summarize(nothing)


def test_equal_seeds_draw_alike() -> None:
    keys = np.arange(20)
    assert (Draws.of(keys, seed=1).weights == Draws.of(keys, seed=1).weights).all()
    assert (Draws.of(keys, seed=1).weights != Draws.of(keys, seed=2).weights).any()
    assert (Draws.of(keys).weights.sum(axis=1) == 20).all()
    assert (Draws.of(keys).weights[0] == 1).all()
