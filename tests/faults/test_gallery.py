"""`plates why` on the evidence of every case of the gallery, without training: the ranking, healthy runs, the page."""

import pytest
from faults import page, stored
from faults.gallery import FAULTS, HEALTHY, STORIES, STRENGTHS

from plates.settings import edit

FIRST, AMONG_THREE = 0.85, 0.95
SAID = {
    "the class head was never re-initialised": ("starts by seeing objects everywhere", "model.pretrained"),
    "a delivery from another camera": ("test is not like train: brightness", "the delivery"),
    "a batch of 4 with a rate for 64": ("train.learning_rate 0.384 is 0.024 at batch 4", "train.learning_rate, down"),
}


def test_faults_of_medium_strength_are_named() -> None:
    rows = page.judged("medium")
    assert rows
    wrong = [(row.fault.name, row.said) for row in rows if row.rank != 1]
    assert page.named(rows, 1) >= FIRST * len(rows), wrong
    assert page.named(rows, 3) >= AMONG_THREE * len(rows), wrong


def test_healthy_runs_are_accused_of_nothing() -> None:
    found = page.healthy()
    assert found
    assert {name: causes for name, one in found.items() if (causes := page.blamed(one))} == {}


@pytest.mark.parametrize("story", [fault.name for fault in STORIES])
def test_a_story_is_told(story: str) -> None:
    first = page.asked(stored.read("medium")[story]).findings[0]
    seen, turn = SAID[story]
    assert seen in first.sentence
    assert turn in first.turn


def test_the_page_is_what_is_said_now() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "python tests/faults --minutes 0"


def test_every_kept_case_is_one_of_the_gallery() -> None:
    for strength in STRENGTHS:
        assert set(stored.read(strength)) <= {fault.name for fault in FAULTS}
    assert set(stored.read("healthy")) <= set(HEALTHY)


def test_params_yaml_takes_the_settings_of_every_case() -> None:
    cases = [(fault.name, one) for fault in FAULTS for one in fault.settings] + list(HEALTHY.items())
    refused = {(name, key): edit.refused(key, value) for name, one in cases for key, value in one.items()}
    assert {case: said for case, said in refused.items() if said} == {}
