"""How near two float32 implementations of one training step of D0 at 256 px can come.

Batch norm over two pictures has few values at the coarse levels, where it enlarges rounding. The whole step computed in
float64, from the same weights and pictures, says how far: there det_loss is 6.69163 and google/automl's published one
6.69240 (1.2e-4 off), its training logits are up to 0.015 off and 24 of 493 gradient norms more than 2e-3. Processors
round differently too: ours gives 6.69141 without AVX-512 (3e-5 off).
"""

import pytest

LOSS = 3e-4
LOGITS = 0.03


def assert_close(found: dict[str, float], expected: dict[str, float], rel: float, least: float) -> None:
    """Nine of ten as near as that, the others within 20% (or ten times `least`)."""
    assert found == pytest.approx(expected, rel=0.2, abs=10 * least)
    off = [name for name in expected if found[name] != pytest.approx(expected[name], rel=rel, abs=least)]
    assert len(off) <= 0.1 * len(expected), off
