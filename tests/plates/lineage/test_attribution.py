"""A planted effect is found with its size, an interaction is shared, and chance is not taken for a cause."""

import numpy as np
import pytest

from plates.lineage.attribution import Cell, attribute, cells

CAUSES = ("data", "parameters", "code")


def planted(effects: dict[str, float], spread: float, seeds: int, rng: np.random.Generator) -> dict[Cell, list[float]]:
    return {
        cell: [0.5 + sum(effects[cause] for cause in cell) + spread * rng.standard_normal() for _ in range(seeds)]
        for cell in cells(CAUSES)
    }


def test_every_combination_is_asked_for_once() -> None:
    found = list(cells(CAUSES))
    assert len(found) == len(set(found)) == 8
    assert (found[0], found[-1]) == (frozenset(), frozenset(CAUSES))


def test_without_chance_the_shares_are_the_effects() -> None:
    effects = {"data": -0.2, "parameters": 0.05, "code": 0.0}
    found = attribute(planted(effects, 0.0, 2, np.random.default_rng(0)), CAUSES)
    assert {cause: share.value for cause, share in found.shares.items()} == pytest.approx(effects)
    assert found.whole.value == pytest.approx(-0.15)
    assert found.seed == pytest.approx(0.0, abs=1e-12)


def test_what_two_causes_do_only_together_is_shared_equally() -> None:
    """A game of three in which only data and code together win 0.3: 0.15 each (Shapley's symmetry and dummy axioms)."""
    figures = {cell: [0.3 if {"data", "code"} <= cell else 0.0] * 2 for cell in cells(CAUSES)}
    shares = attribute(figures, CAUSES).shares
    assert [shares[cause].value for cause in CAUSES] == pytest.approx([0.15, 0.0, 0.15])


def test_the_intervals_cover_the_planted_effect_as_often_as_they_say() -> None:
    rng, effects = np.random.default_rng(1), {"data": -0.04, "parameters": 0.01, "code": 0.0}
    covered = []
    for _ in range(400):
        shares = attribute(planted(effects, 0.02, 2, rng), CAUSES).shares
        covered += [abs(shares[cause].value - effects[cause]) <= shares[cause].half for cause in CAUSES]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_nothing_but_the_seed_has_no_cause_and_one_seed_says_nothing() -> None:
    found = attribute({Cell(): [0.5, 0.52, 0.54]}, ())
    assert (found.shares, found.whole.value) == ({}, 0.0)
    assert found.seed == pytest.approx(0.02)
    with pytest.raises(ValueError, match="two seeds"):
        attribute({Cell(): [0.5]}, ())
