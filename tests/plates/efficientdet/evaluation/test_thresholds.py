"""Thresholds by hand, and a promise against many samples of the population that it is made about."""

import numpy as np
import pandas as pd
import pytest

from plates.columns import BOX
from plates.efficientdet.config import NmsConfig
from plates.efficientdet.evaluation.errors import confusion, errors
from plates.efficientdet.evaluation.matching import match
from plates.efficientdet.evaluation.thresholds import Ranked, best_f1, promise
from plates.efficientdet.inference.suppress import suppress

LABELS = {1: "blue", 2: "green"}
PLACE = (0.0, 0.0, 100.0, 40.0)


def ranked(scores: list[float], right: list[bool], boxes: int, photographs: int = 10) -> Ranked:
    order = np.argsort(-np.array(scores), kind="stable")
    return Ranked(np.array(scores)[order], np.array(right)[order], boxes, photographs)


def test_the_best_f1_by_hand() -> None:
    """Of 4 plates: at .9 F1 is 2/5, at .7 it is 4/6, at .6 with two false ones 4/8, at .5 it is 6/9."""
    some = ranked([0.9, 0.7, 0.6, 0.6, 0.5], [True, True, False, False, True], boxes=4)
    assert best_f1(some) == pytest.approx(0.7)
    working = some.at(0.7)
    assert (working.recall, working.precision, working.f1) == pytest.approx((2 / 4, 1, 4 / 6))
    assert some.at(0.5).false_alarms_per_100 == pytest.approx(20)
    assert some.at(0.95).recall == 0
    assert some.at(0.95).precision is None


def test_equal_scores_are_acted_on_together() -> None:
    """A threshold of .6 takes the false one too."""
    assert best_f1(ranked([0.6, 0.6, 0.5], [True, False, True], boxes=2)) == pytest.approx(0.5)


def test_a_threshold_keeps_the_score_that_it_was_chosen_from() -> None:
    """NMS keeps what is over a score: of plates that may not be missed, that one would be."""
    scores = np.random.default_rng(0).uniform(0.2, 0.9, 300).astype(np.float32)
    kept = promise(ranked(scores.tolist(), [True] * 300, 300), 0.99, 0.95).threshold
    nms = NmsConfig(max_output_size=400)
    boxes = np.array([(10.0 * row, 0, 10 * row + 8, 8) for row in range(300)], np.float32)
    assert len(suppress(boxes, scores[:, None], nms, (4000, 40), kept).scores) == 300


def test_nothing_right_has_no_threshold() -> None:
    nothing = ranked([0.9], [False], boxes=3)
    assert best_f1(nothing) is None
    assert promise(ranked([], [], 400), 0.99, 0.95).threshold is None


def test_299_plates_promise_a_recall_of_99_percent_and_298_do_not() -> None:
    """0.99^299 is 0.0495, under 1 - 0.95; 0.99^298 is 0.0501 (the rule of three)."""
    scores = np.linspace(0.2, 0.9, 299).tolist()
    assert promise(ranked(scores, [True] * 299, 299), 0.99, 0.95).threshold == pytest.approx(0.2)
    few = promise(ranked(scores[1:], [True] * 298, 298), 0.99, 0.95)
    assert few.threshold is None
    assert "298 boxes on val cannot promise a recall of 0.99" in few.why
    assert "that takes 299" in few.why
    assert "is 0.989" in few.why  # 0.05^(1/298) is 0.98995: rounded down, as a promise must be


def test_a_plate_found_at_no_score_breaks_the_promise() -> None:
    """Of 299 none may be missed; of 473 one may (Clopper and Pearson: 5.55% of 473 drawn at 1% have at most one)."""
    scores = np.linspace(0.2, 0.9, 298).tolist()
    missed = promise(ranked(scores, [True] * 298, 299), 0.99, 0.95)
    assert missed.threshold is None
    assert "1 of 299 boxes on val are found at no score" in missed.why
    more = np.linspace(0.2, 0.9, 473).tolist()
    assert promise(ranked(more, [True] * 473, 473), 0.99, 0.95).threshold == pytest.approx(more[1])


def test_a_promise_is_kept_in_95_of_100_samples() -> None:
    """Scores of 20,000 plates are the population; val is 800 of them, and the promise is about the rest.

    Where val finds too few plates there is no promise to break.
    """
    random = np.random.default_rng(0)
    population = np.where(random.random(20_000) < 0.001, -1.0, random.beta(4, 1.2, 20_000))  # -1: never found
    made, kept = 0, 0
    for _ in range(200):
        val, rest = np.split(random.permutation(population), [800])
        found = val[val >= 0]
        threshold = promise(ranked(found.tolist(), [True] * len(found), 800), 0.99, 0.95).threshold
        if threshold is not None:
            made, kept = made + 1, kept + bool((rest >= threshold).mean() >= 0.99)
    assert made > 150
    assert kept / made >= 0.93  # 0.95 less 1.3 standard deviations of so many samples


def scene() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Five photographs, a kind of error each, and one without."""
    truth = pd.DataFrame([(image, "blue", *PLACE) for image in range(1, 7)], columns=["image_id", "class", *BOX])
    found = [
        (1, 1, 0.9, *PLACE),
        (1, 1, 0.8, 2.0, 0.0, 102.0, 40.0),  # duplicate
        (2, 1, 0.9, 50.0, 0.0, 150.0, 40.0),  # misplaced: IoU 1/3
        (3, 2, 0.9, *PLACE),  # wrong class
        (4, 2, 0.9, 50.0, 0.0, 150.0, 40.0),  # wrong class and misplaced
        (5, 1, 0.7, *PLACE),
        (5, 1, 0.95, 400.0, 400.0, 500.0, 440.0),  # background
    ]  # 6 is missed, and so is 4: what is both wrong and misplaced covers no box
    return pd.DataFrame(found, columns=["image_id", "class", "score", *BOX]), truth


def test_errors_by_kind() -> None:
    found = {error.kind: error for error in errors(*scene(), LABELS, 100, threshold=0.5)}
    assert {kind: error.count for kind, error in found.items()} == {
        "missed": 2,
        "misplaced": 1,
        "duplicate": 1,
        "background": 1,
        "wrong class": 1,
        "wrong class and misplaced": 1,
    }
    assert found["missed"].gain > 0
    sure = {error.kind: error.count for error in errors(*scene(), LABELS, 100, threshold=0.85)}
    assert (sure["duplicate"], sure["missed"]) == (0, 3)  # the plate of photograph 5 has a score of .7


def test_one_class_is_never_taken_for_another() -> None:
    detections, truth = scene()
    kinds = [error.kind for error in errors(detections.assign(**{"class": 1}), truth, {1: "blue"}, 100, 0.5)]
    assert sorted(kinds) == ["background", "duplicate", "misplaced", "missed"]


def test_confusion_counts_boxes_and_false_alarms() -> None:
    table = confusion(*scene(), LABELS, 100, threshold=0.5)
    assert table.loc["blue", "blue"] == 2
    assert table.loc["blue", "green"] == 1
    assert table.loc["blue", "nothing"] == 3
    assert table.loc["nothing"].sum() == 4
    assert table.loc["green"].sum() == 0


def test_what_overlaps_a_crowd_is_no_false_alarm() -> None:
    truth = pd.DataFrame([(1, "blue", 0, *PLACE), (1, "blue", 1, 200.0, 0.0, 400.0, 200.0)])
    truth.columns = ["image_id", "class", "iscrowd", *BOX]
    found = pd.DataFrame([(1, 1, 0.9, *PLACE), (1, 1, 0.8, 210.0, 10.0, 250.0, 50.0)])
    found.columns = ["image_id", "class", "score", *BOX]
    ranked = Ranked.of(match([found], truth, LABELS), ["blue"])
    assert (len(ranked.scores), ranked.boxes) == (1, 1)
