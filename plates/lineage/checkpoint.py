"""What the description of a checkpoint says, without Keras."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plates.files import read_json

FILE = "model.json"


def described(checkpoint: Path) -> dict[str, Any]:
    """The content of its `model.json`."""
    return dict(read_json(checkpoint / FILE))


def label_map(content: Mapping[str, Any]) -> dict[int, str]:
    """Class id to name, of what `described` gives; empty if it says nothing."""
    return {int(key): name for key, name in content.get("label_map", {}).items()}
