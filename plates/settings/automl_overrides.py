"""Reading a configuration in google/automl's own YAML: a few overrides, or the whole `config.yaml` that it saves."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any

from plates.efficientdet.model.family import VARIANTS
from plates.errors import UserError
from plates.settings.params import knobs, nearest
from plates.settings.yaml_text import read_yaml

SECTIONS = ("model", "train", "augment", "nms")

OTHER_NAMES = {
    "name": "model.name",
    "model_name": "model.name",
    "backbone_name": "model.backbone",
    "tf_random_seed": "train.seed",
    "train_scale_min": "augment.jitter_min",
    "train_scale_max": "augment.jitter_max",
}
"""Keys of the reference, older ones too, whose setting has another name here."""

OTHER_VALUES: dict[str, dict[Any, Any]] = {
    "autoaugment_policy": {"": None},
    "mixed_precision": {False: None, True: "float16"},
    "strategy": {"": None, "multi-gpus": "gpus"},
}
"""What the reference writes for a value that is written otherwise here."""

DEFAULTS: dict[str, tuple[Any, ...]] = {
    "apply_bn_for_resampling": (True,),
    "backbone_config": (None,),
    "conv_after_downsample": (False,),
    "conv_bn_act_pattern": (False,),
    "fpn_config": (None,),
    "fpn_name": (None, "bifpn", "bifpn_dyn"),
    "grid_mask": (False,),
    "loss_scale": (None,),
    "nms.pyfunc": (False,),
    "positives_momentum": (None,),
    "scale_range": (False,),
    "skip_crowd_during_training": (True,),
    "target_size": (None,),
    "use_augmix": (False,),
}
"""Keys that nothing here changes: the detector does what the reference does at these values."""

WITHOUT_MEANING = {
    **dict.fromkeys(
        (
            *("augmix_params", "ckpt_var_scope", "data_format", "dataset_type", "debug", "drop_remainder"),
            *("eval_samples", "img_summary_steps", "iterations_per_loop", "mode", "model_dir"),
            *("num_examples_per_epoch", "num_shards", "profile", "regenerate_source_id", "sample_image"),
            *("save_freq", "skip_mismatch", "steps_per_epoch", "steps_per_execution", "tflite_max_detections"),
            *("train_file_pattern", "use_keras_model", "use_tpu", "val_file_pattern", "val_json_file", "verbose"),
        ),
        "",
    ),
    "map_freq": "val is scored every train.eval_every steps",
    "max_instances_per_image": "every box of a picture is trained, without a limit",
}
"""Keys that say how the reference's own scripts run, with what does their work here."""


@dataclass(frozen=True)
class Overrides:
    """`changes` by dotted key of `params.yaml`, and a sentence on the keys that change nothing (None: all do)."""

    changes: dict[str, Any]
    left_out: str | None


def read(path: Path) -> Overrides:
    """Reads the file.

    Args:
        path: YAML with the reference's keys at the top level, such as `image_size: 1024x1024`. Tuples
            (`!!python/tuple`) are taken; no other YAML tag is run. `nms_configs` becomes `nms`.

    Raises:
        UserError: a missing file, invalid YAML, a key that neither the reference nor this project has (with the nearest
            one), a value of the reference that is not supported, classes that count the background.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UserError(
            f"--hparams {path}: {reason}. It takes a file of overrides in google/automl's YAML, such as "
            "`image_size: 1024x1024`. For a single setting: plates run --set KEY=VALUE"
        ) from None
    content = read_yaml(text, f"--hparams {path}", tuples=True)
    if not isinstance(content, dict):
        raise UserError(f"--hparams {path} must hold keys and values, such as `image_size: 1024x1024`.")
    if isinstance(content.get("nms_configs"), dict):
        content |= {f"nms.{key}": value for key, value in content.pop("nms_configs").items()}
    refused = _of_classes(content)
    changes, unchanged = {}, []
    settings = _settings()
    for key, value in content.items():
        if key in WITHOUT_MEANING or (key in DEFAULTS and value in DEFAULTS[key]):
            unchanged.append(key)
        elif key in DEFAULTS:
            refused.append(
                f"{key}: {short(value)} is not supported, only {DEFAULTS[key][0]!r}, the reference's default"
            )
        elif key not in settings:
            hint = nearest(str(key))
            refused.append(f"{key}: no such setting" + (f"; did you mean {hint.rsplit('.', 1)[-1]}?" if hint else ""))
        else:
            changes[settings[key]] = _value(key, value, refused)
    if refused:
        lines = "\n".join(f"  {line}" for line in refused)
        raise UserError(f"--hparams {path}: remove or change:\n{lines}\nAll settings: plates params")
    if changes.get("train.num_epochs") is not None:
        changes.setdefault("train.steps", None)
    known = VARIANTS.get(changes.get("model.name", ""))
    if known and changes.get("model.backbone") == known.backbone:
        changes["model.backbone"] = None
    return Overrides(changes, _sentence(path, unchanged))


def _settings() -> dict[Any, str]:
    """Every way to write a key, with the setting that it means."""
    known = [key for key, _ in knobs()]
    plain = {key.split(".")[1]: key for key in known if key.split(".")[0] in SECTIONS and key.count(".") == 1}
    return plain | OTHER_NAMES | {key: key for key in known}


def _value(key: str, value: Any, refused: list[str]) -> Any:
    """The value as it is written here; what cannot be is noted in `refused`."""
    if key.rsplit(".", 1)[-1] == "image_size" and isinstance(value, list | tuple):
        if len(value) == 2 and (isinstance(value, tuple) or value[0] == value[1]):
            return f"{value[1]}x{value[0]}"  # the reference's tuple is height first
        refused.append(
            f"image_size: {short(value)} does not say which is the width; write WIDTHxHEIGHT, such as 640x384"
        )
    others = OTHER_VALUES.get(key, {})
    if isinstance(value, str | bool) and value in others:
        return others[value]
    return _lists(value)


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def _of_classes(content: Mapping[Any, Any]) -> list[str]:
    """What is wrong with `num_classes` and `label_map` if they follow the reference's conventions."""
    count, names = content.get("num_classes"), content.get("label_map")
    if isinstance(names, str):
        return [
            f"label_map: {names} names a list kept elsewhere. Leave label_map and num_classes out: the classes are "
            "the data's own (data.class_by, or the categories of data.annotations)"
        ]
    if not isinstance(names, dict) or not names:
        return []
    real = {key: name for key, name in names.items() if key != 0}
    if 0 in names or (count == len(real) + 1 and count not in real and set(real) == set(range(1, count))):
        return [
            f"num_classes: {count}, label_map: {short(names)} counts the background, which is not a class here: write "
            f"num_classes: {len(real)}, label_map: {short(real)}, or leave both out"
        ]
    return []


def _sentence(path: Path, unchanged: list[str]) -> str | None:
    if not unchanged:
        return None
    named = [f"{key} ({WITHOUT_MEANING[key]})" if WITHOUT_MEANING.get(key) else key for key in sorted(unchanged)]
    number = f"{len(named)} keys are" if len(named) > 1 else "1 key is"
    return (
        f"{path.name}: {number} left out, being at the reference's default or without meaning here: {', '.join(named)}."
    )
