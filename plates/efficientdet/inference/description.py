"""The description of an exported model: in `export.json` beside it, and inside each file that is used alone.

ONNX has it as metadata (each field's JSON under the field's name), LiteRT as the file `export.json` in the ZIP archive
that its format allows at the end of a model, OpenVINO as runtime information under `plates`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from plates.efficientdet.config import NmsConfig
from plates.errors import UserError
from plates.files import write_json

DESCRIPTION = "export.json"


class Description(BaseModel):
    """Everything needed to use an exported network.

    network: the variant. label_map: class id, from 1, to name. image_size: (height, width) of the network's input in
    px. mean_rgb: what fills the rest of that input, 0 to 255. score_threshold: least score that is answered.
    thresholds: least scores by name, of those that an evaluation chose. nms: post-processing after the network.
    nms_inside: whether the files that leave alone do that themselves. mask_stride: px of the input per cell of the
    masks. checkpoint: content hash of the checkpoint's folder, as lineage records have it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    label_map: dict[int, str]
    image_size: tuple[int, int]
    mean_rgb: tuple[float, float, float]
    score_threshold: float
    thresholds: dict[str, float] = {}
    nms: NmsConfig
    nms_inside: bool = False
    mask_stride: int
    checkpoint: str | None = None

    def at_threshold(self) -> NmsConfig:
        """Post-processing that answers nothing under the score threshold."""
        return self.nms.model_copy(update={"score_thresh": self.score_threshold})

    def write(self, folder: Path) -> None:
        """Writes `export.json`."""
        write_json(folder / DESCRIPTION, self.model_dump(mode="json"))

    def fields(self) -> dict[str, str]:
        """Each field as JSON, by name."""
        content = self.model_dump(mode="json")
        return {name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in content.items()}

    @classmethod
    def read(cls, folder: Path) -> Description:
        """Reads `export.json`; raises `UserError` if it is missing or invalid."""
        file = folder / DESCRIPTION
        try:
            return cls.parse(file.read_text(encoding="utf-8"), str(file))
        except (OSError, UnicodeDecodeError):
            raise UserError(f"No exported model in {folder}: {DESCRIPTION} is missing or damaged.") from None

    @classmethod
    def parse(cls, content: str, source: str) -> Description:
        """A description from its JSON; `source` is what the error calls it."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(
                f"{source} does not describe a model in this version's format ({where}: {first['msg']}). "
                "Export it again: plates materialize exported_model"
            ) from None

    @classmethod
    def from_fields(cls, fields: Mapping[str, str], source: str) -> Description:
        """The inverse of `fields`; names that are not fields of a description are left out."""
        known = {name: json.loads(text) for name, text in fields.items() if name in cls.model_fields}
        return cls.parse(json.dumps(known), source)
