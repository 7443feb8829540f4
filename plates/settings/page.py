"""Writes docs/hyperparameters.md from the settings' own descriptions: `make docs`."""

from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from plates.files import atomic
from plates.settings.params import Params, knobs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hyperparameters.md"


def render() -> str:
    """Every knob by section: name, default, and its description with the unit and when to turn it."""
    lines = [
        "# Hyperparameters",
        "",
        "Made by `make docs` from the descriptions in `plates/settings/params.py` and `plates/efficientdet/config/`.",
        "",
        "Set one in `params.yaml`, with `plates run --set KEY=VALUE`, or for an experiment with",
        "`dvc exp run -S KEY=VALUE`. google/automl's own YAML works too, a few overrides or the whole `config.yaml`",
        "that it saves: `plates run --hparams FILE`. What has no meaning here is named and left out.",
        "`null` (in the file: nothing) is the variant's own value unless the text says otherwise.",
    ]
    for section, members in groupby(knobs(), lambda knob: knob[0].split(".")[0]):
        model: Any = Params.model_fields[section].annotation
        assert issubclass(model, BaseModel)
        lines += [
            "",
            f"## {section}",
            "",
            (model.__doc__ or "").strip(),
            "",
            "| setting | default | meaning |",
            "| --- | --- | --- |",
        ]
        for key, field in members:
            default = field.get_default(call_default_factory=True)
            shown = "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
            description = " ".join(str(field.description).split()).replace("|", "\\|")
            lines.append(f"| `{key}` | `{shown}` | {description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with atomic(PAGE) as temporary:
        temporary.write_text(render(), encoding="utf-8")
