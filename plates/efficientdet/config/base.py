"""What all sections of the configuration share."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A section of `params.yaml`: immutable, refuses unknown keys, checks its defaults too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


WORDS = BeforeValidator(_words)
"""Takes a list of words written as text, with commas between them: `saved_model, onnx`."""
