import pandas as pd

from plates.ccpd import score as ccpd
from plates.ccpd.score import CcpdScore, Score
from plates.columns import BOX

TRUTH = pd.DataFrame(
    [
        ("ccpd_db/a.jpg", "db", 0, 0, 100, 30),
        ("ccpd_db/b.jpg", "db", 0, 0, 100, 30),
        ("ccpd_fn/a.jpg", "fn", 0, 0, 100, 30),
        ("ccpd_fn/c.jpg", "fn", 0, 0, 100, 30),
        ("ccpd_np/n.jpg", "np", None, None, None, None),
    ],
    columns=["path", "subset", *BOX],
)


def ccpd_score(truth: pd.DataFrame, detections: pd.DataFrame) -> CcpdScore:
    return ccpd.ccpd_score(ccpd.best_boxes(truth, detections))


def found(*rows: tuple[str, float, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "score", *BOX])


def test_the_best_box_alone_decides() -> None:
    score = ccpd_score(
        TRUTH,
        found(
            ("ccpd_db/a.jpg", 0.9, 0, 0, 100, 30),
            ("ccpd_db/b.jpg", 0.4, 0, 0, 100, 30),
            ("ccpd_db/b.jpg", 0.8, 300, 300, 400, 330),
            ("ccpd_fn/a.jpg", 0.1, 2, 0, 100, 30),
        ),
    )
    assert score.subsets == {"db": Score(1, 2), "fn": Score(1, 2)}
    assert (score.pooled, score.repeated) == (Score(1, 3), 1)  # a.jpg, in db and in fn, counts once
    assert score.pooled.value == 1 / 3


def test_photographs_of_one_name_and_other_boxes_are_two() -> None:
    truth = TRUTH.iloc[[0, 2]].assign(xmin=[0, 5])
    score = ccpd_score(truth, found(("ccpd_db/a.jpg", 0.9, 0, 0, 100, 30)))
    assert (score.pooled, score.repeated) == (Score(1, 2), 0)


def test_an_overlap_of_the_threshold_itself_is_wrong() -> None:
    truth = TRUTH.iloc[:1]
    assert ccpd_score(truth, found(("ccpd_db/a.jpg", 1, 0, 0, 70, 30))).pooled == Score(0, 1)
    assert ccpd_score(truth, found(("ccpd_db/a.jpg", 1, 0, 0, 71, 30))).pooled == Score(1, 1)


def test_nothing_found_and_nothing_to_find() -> None:
    assert ccpd_score(TRUTH, found()).pooled == Score(0, 3)
    nothing = ccpd_score(TRUTH.iloc[4:], found())
    assert (nothing.pooled.value, nothing.subsets) == (None, {})


def test_of_two_plates_in_a_photograph_either_will_do() -> None:
    truth = pd.concat([TRUTH.iloc[:1], TRUTH.iloc[:1].assign(xmin=500, xmax=600)])
    assert ccpd_score(truth, found(("ccpd_db/a.jpg", 1, 500, 0, 600, 30))).pooled == Score(1, 1)
