"""The manifest beside the shards: what a trainer must know about them, so that nothing is passed by hand."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from plates.errors import UserError

FILE_NAME = "manifest.json"


class Part(BaseModel):
    """A part of the manifest; unknown keys are refused, so that a manifest of another version is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shard(Part):
    """One TFRecord file: name, number of examples, size in bytes, SHA-256 of its content in hex."""

    file: str
    examples: int
    bytes: int
    sha256: str


class SplitExamples(Part):
    """One split: its counts and shards. `max_boxes` is the largest number of boxes and ignored regions in one image."""

    images: int
    boxes: int
    negatives: int
    max_boxes: int
    shards: list[Shard]


class Manifest(Part):
    """`label_map`: class id (from 1) -> name. `class_counts`: split -> class name -> number of boxes."""

    label_map: dict[int, str]
    splits: dict[str, SplitExamples]
    class_counts: dict[str, dict[str, int]]

    def split(self, name: str) -> SplitExamples:
        """One split's counts and shards.

        Raises:
            UserError: no such split; the message names those that exist.
        """
        if name not in self.splits:
            raise UserError(f"the TFRecords have no split '{name}', only {', '.join(self.splits) or 'none'}")
        return self.splits[name]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards.

    Raises:
        UserError: it is missing or not one of ours.
    """
    path = folder / FILE_NAME
    try:
        return Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `plates materialize tfrecords`") from None
    except ValueError as error:  # pydantic's too, and JSON's
        raise UserError(
            f"{path} is not a manifest of TFRecords: {error}\nRun `plates materialize tfrecords` again"
        ) from error
