"""How much of a change comes from each cause, and how much from chance.

Every combination of the causes is measured, each with several seeds. A cause's share is what adding it changes,
averaged over the orders in which the causes can be added: the Shapley value (L. S. Shapley, A Value for n-Person Games,
1953), so that the shares sum to the whole change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

CONFIDENCE = 0.95
Cell = frozenset[str]
"""The causes that are taken from the second evaluation; the others are the first's."""


@dataclass(frozen=True)
class Change:
    """An estimate, and half of its 95% interval."""

    value: float
    half: float

    @property
    def certain(self) -> bool:
        """Whether the interval is on one side of 0."""
        return abs(self.value) > self.half


@dataclass(frozen=True)
class Attribution:
    """`shares` by cause, which sum to the `whole`; `seed` is the standard deviation of one run over its seeds."""

    shares: Mapping[str, Change]
    whole: Change
    seed: float


def cells(causes: Sequence[str]) -> Iterator[Cell]:
    """Every combination of the causes, from none to all."""
    for count in range(len(causes) + 1):
        yield from map(frozenset, combinations(causes, count))


def attribute(figures: Mapping[Cell, Sequence[float]], causes: Sequence[str]) -> Attribution:
    """Divides a change between its causes.

    Args:
        figures: of every one of `cells(causes)`, one a seed.
        causes: their names.

    Raises:
        ValueError: no cell has two seeds, so chance cannot be measured.
    """
    means = {cell: float(np.mean(values)) for cell, values in figures.items()}
    freedom = sum(len(values) - 1 for values in figures.values())
    if freedom == 0:
        raise ValueError("measuring chance takes at least two seeds")
    squares = sum(float(np.sum((np.array(values) - means[cell]) ** 2)) for cell, values in figures.items())
    seed = float(np.sqrt(squares / freedom))
    from scipy import stats

    width = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * seed

    def change(weights: Mapping[Cell, float]) -> Change:
        value = sum(weight * means[cell] for cell, weight in weights.items())
        spread = sum(weight**2 / len(figures[cell]) for cell, weight in weights.items())
        return Change(value, width * spread**0.5)

    every, nothing = frozenset(causes), Cell()
    whole = change({every: 1.0, nothing: -1.0} if causes else {})
    return Attribution({cause: change(_weights(cause, causes)) for cause in causes}, whole, seed)


def _weights(cause: str, causes: Sequence[str]) -> dict[Cell, float]:
    others = [other for other in causes if other != cause]
    found = {}
    for cell in cells(others):
        weight = 1 / (len(causes) * comb(len(others), len(cell)))
        found[cell | {cause}], found[cell] = weight, -weight
    return found
