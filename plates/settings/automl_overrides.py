"""Reading a file of overrides in google/automl's own YAML, as `image_size: 1024x1024` at the top level."""

from pathlib import Path
from typing import Any

import yaml

from plates.errors import UserError
from plates.settings.params import knobs, nearest

SECTIONS = ("model", "train", "augment", "nms")


def read(path: Path) -> dict[str, Any]:
    """The overrides of `path` as dotted keys of `params.yaml`, ready for `plates.settings.edit.write`.

    `nms_configs` (in the reference a group of its own) becomes `nms`. `UserError` where the file is missing, is no
    YAML, or names what does not exist, with the nearest that does.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"--hparams {path}: {error.strerror}. It takes a file of overrides in google/automl's YAML, as "
            "`image_size: 1024x1024`. One setting alone: plates run --set KEY=VALUE"
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"--hparams {path}: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"--hparams {path} must hold keys and values, as `image_size: 1024x1024`.")
    if isinstance(content.get("nms_configs"), dict):
        content |= {f"nms.{key}": value for key, value in content.pop("nms_configs").items()}
    if content.get("nms.pyfunc") is False:  # ours never is one
        del content["nms.pyfunc"]
    if content.get("autoaugment_policy") == "":
        content["autoaugment_policy"] = None
    if content.get("num_epochs") is not None:
        content.setdefault("steps", None)
    places = {key.split(".")[1]: key for key, _ in knobs() if key.split(".")[0] in SECTIONS and key.count(".") == 1}
    places["name"] = "model.name"
    known = {key for key, _ in knobs()}
    changes, unknown = {}, []
    for key, value in content.items():
        target = key if key in known else places.get(key)
        if target is None:
            hint = nearest(str(key))
            unknown.append(f"  {key}" + (f"; did you mean {hint.rsplit('.', 1)[-1]}?" if hint else ""))
        else:
            changes[target] = value
    if unknown:
        raise UserError(f"--hparams {path}: no such setting:\n" + "\n".join(unknown) + "\nAll of them: plates params")
    return changes
