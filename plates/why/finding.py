"""What a cause returns when it finds something."""

from collections.abc import Sequence
from dataclasses import dataclass

DECISIVE, STRONG, LIKELY, POSSIBLE = 0.95, 0.8, 0.6, 0.3
"""How much of a low score a finding explains: all of it; most; enough to look at first; a contribution."""


@dataclass(frozen=True)
class Finding:
    """A cause that the evidence supports.

    Attributes:
        cause: its name, as `docs/why-is-my-map-low.md` lists it.
        weight: 0 to 1, how much of a low score it explains; one of the four above, or between them.
        sentence: what was seen, with figures, and its effect.
        turn: the parameter to change, or what else to change.
        sure: the command that shows whether it is the cause.
        speaks_for: further figures that agree.
        against: figures that do not.
    """

    cause: str
    weight: float
    sentence: str
    turn: str
    sure: str
    speaks_for: Sequence[str] = ()
    against: Sequence[str] = ()
