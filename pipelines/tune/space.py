"""What a search may change: `KEY=LOW:HIGH`, `KEY=LOW:HIGH:log` for rates and weights, `KEY=A,B,C` for a choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from plates.errors import UserError
from plates.settings import edit
from plates.settings.params import knobs
from plates.settings.yaml_text import read_yaml

DEFAULT = (
    "train.learning_rate=0.002:0.1:log",
    "train.box_loss_weight=20:120:log",
    "augment.jitter_min=0.5:0.95",
    "augment.jitter_max=1.05:1.5",
)
SECTIONS = ("model", "train", "augment")
"""The sections that training depends on; the data stay unchanged."""
FIXED = {"train.steps": "--steps sets it", "train.num_epochs": "--steps sets the length", "train.seed": "it is luck"}
DIGITS = 4
"""Significant digits of tried values."""
SHAPES = "write KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C, such as train.learning_rate=0.002:0.1:log"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: uniform in the logarithm."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the search could try the value."""
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether the search could try the value."""
        return value in self.values


Space = Mapping[str, Range | Choice]


def parse(words: Sequence[str]) -> Space:
    """Reads `--space`, one setting a word.

    Raises:
        UserError: an unknown setting, one that is not for searching, or values that it does not take.
    """
    known = dict(knobs())
    space: dict[str, Range | Choice] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not text:
            raise UserError(f"--space {word}: {SHAPES}")
        if key not in known:
            raise UserError(f"--space {word}: {edit.unknown(key)}")
        if key.partition(".")[0] not in SECTIONS:
            raise UserError(f"--space {word}: only settings of {', '.join(SECTIONS)} are searched")
        if key in FIXED:
            raise UserError(f"--space {word}: {key} is not searched: {FIXED[key]}")
        if key in space:
            raise UserError(f"--space {word}: {key} occurs twice")
        found = _read(word, text, known[key].annotation)
        for value in found.values if isinstance(found, Choice) else (found.low, found.high):
            if against := edit.refused(key, value):
                raise UserError(f"--space {word}: {value}: {', or '.join(against)}. Allowed: plates params {key}")
        space[key] = found
    return space


def written(value: Any) -> Any:
    """A value as it is tried: floats with few digits, so that they are easy to read and repeat."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _read(word: str, text: str, annotation: Any) -> Range | Choice:
    if ":" not in text:
        values = tuple(read_yaml(part, f"--space {word}: {part}") for part in text.split(","))
        if len(values) < 2 or len(set(values)) < len(values):
            raise UserError(f"--space {word}: a choice needs two or more different values; {SHAPES}")
        return Choice(values)
    low, high, *scale = text.split(":")
    number = int if int in (get_args(annotation) or (annotation,)) else float
    try:
        found = Range(number(low), number(high), scale == ["log"])
    except ValueError as error:
        raise UserError(f"--space {word}: {error}; {SHAPES}") from None
    if scale not in ([], ["log"]) or not found.low < found.high or (found.log and found.low <= 0):
        raise UserError(f"--space {word}: a range must ascend and, with log, start above 0; {SHAPES}")
    return found
