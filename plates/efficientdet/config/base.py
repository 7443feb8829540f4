"""What all sections of the configuration share."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of `params.yaml`: immutable, refuses unknown keys, checks its defaults too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
