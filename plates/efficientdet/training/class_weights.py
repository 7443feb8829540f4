"""Weights of classes by their rarity, and the distribution that a run learns from with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.data import sampling


def class_weights(counts: Sequence[int], method: str) -> list[float]:
    """Weight of each class from its number of boxes, with a mean of 1 over the boxes.

    Args:
        counts: boxes of each class; a class without boxes gets the weight of one with a single box.
        method: inverse (1 / n) or effective_number ((1 - b) / (1 - b^n) with b = 0.999, arXiv:1901.05555).
    """
    numbers = [max(count, 1) for count in counts]
    rarity = {"inverse": lambda n: 1 / n, "effective_number": lambda n: (1 - 0.999) / (1 - 0.999**n)}[method]
    weights = [rarity(n) for n in numbers]
    mean = sum(w * n for w, n in zip(weights, numbers, strict=True)) / sum(numbers)
    return [w / mean for w in weights]


def effective_distribution(class_counts: Mapping[str, int], config: TrainConfig) -> dict[str, float]:
    """Share of each class in what the loss learns from: how often its boxes are drawn, times their weight; sums to 1.

    Without `balanced_sampling` and `class_weights` it is the data's own distribution.

    Args:
        class_counts: training boxes of each class.
    """
    counts = dict(class_counts)
    copies = sampling.repeats(counts) if config.balanced_sampling else dict.fromkeys(counts, 1.0)
    weights = (
        class_weights(list(counts.values()), config.class_weights) if config.class_weights else [1.0] * len(counts)
    )
    seen = {name: copies[name] * count * weight for (name, count), weight in zip(counts.items(), weights, strict=True)}
    total = sum(seen.values())
    return {name: share / total if total else 0.0 for name, share in seen.items()}
