"""Fills a network with pretrained weights and reports what matched."""

from pathlib import Path
from typing import Any

from plates.efficientdet.checkpoints.download import fetch
from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.checkpoints.weights_file import WeightsFile, read
from plates.efficientdet.config import ModelConfig
from plates.efficientdet.keras_private import published_backbone
from plates.efficientdet.model.backbone_tables import Backbone, backbone_table
from plates.efficientdet.model.family import variant
from plates.efficientdet.model.network import variable_name
from plates.errors import UserError

COCO = "https://storage.googleapis.com/cloud-tpu-checkpoints/efficientdet/coco"
PREDICTIONS = ("class_net/class-predict/", "box_net/box-predict/")


def load_pretrained(network: Any, model: ModelConfig, cache: Path) -> LoadReport:
    """Fills `network` with `model.pretrained`.

    Args:
        cache: folder for downloads.

    Raises:
        UserError: the weights are missing, damaged, not those pinned, or fill less than the whole backbone.
    """
    base = variant(model.name)
    table = backbone_table(model.backbone or base.backbone)
    path = _path(model, table, cache)
    stored = read(path)
    if model.pretrained_sha256 and stored.sha256 != model.pretrained_sha256:
        found = f"has SHA-256 {stored.sha256}" if stored.sha256 else "is a folder, which has no SHA-256"
        raise UserError(f"{path} {found}; model.pretrained_sha256 is {model.pretrained_sha256}")
    report = assign(network, stored, table, model.min_level or base.min_level)
    report.require_backbone(f"{table.name}/", allow_partial=model.allow_partial_backbone)
    return report


def assign(network: Any, stored: WeightsFile, table: Backbone, min_level: int = 3) -> LoadReport:
    """Gives each variable of the network its array in `stored`, if there is one of its shape."""
    report = LoadReport(stored.source, stored.kind, stored.sha256)
    keys = stored.keys_for(network, table, min_level)
    for variable in network.weights:
        name = variable_name(variable)
        array = stored.arrays.get(keys[name])
        if array is None:
            report.skipped[name] = "not in the file"
        elif tuple(array.shape) == tuple(variable.shape):
            variable.assign(array)
            report.matched.append(name)
        else:
            why = f"{_shape(array)} in the file, {_shape(variable)} here"
            found = report.reinitialised if name.startswith(PREDICTIONS) else report.skipped
            found[name] = why
    report.unused = len(stored.arrays.keys() - set(keys.values()))
    return report


def _path(model: ModelConfig, table: Backbone, cache: Path) -> Path:
    if model.pretrained == "coco":
        return _coco(model, table, cache)
    if model.pretrained == "imagenet":
        return _imagenet(model, table, cache)
    return checkpoint_in(Path(model.pretrained))


def checkpoint_in(path: Path) -> Path:
    """The checkpoint of a champion's folder; any other path as it is, with `~` expanded."""
    path = path.expanduser()
    champion = path / "checkpoint"
    return champion if champion.is_dir() else path


def _coco(model: ModelConfig, table: Backbone, cache: Path) -> Path:
    name = model.name
    if name == "efficientdet-tiny" or table.name != variant(name).backbone:
        raise UserError(
            f"no detector trained on COCO is published for {name} with backbone {table.name}; set model.pretrained to "
            "imagenet, a path or none"
        )
    ending = "tgz" if "lite" in name else "tar.gz"
    return fetch(f"{COCO}/{name}.{ending}", cache, model.pretrained_sha256)


def _imagenet(model: ModelConfig, table: Backbone, cache: Path) -> Path:
    """Keras's file for the backbone, from the address and with the MD5 given in Keras itself."""
    family, _, size = table.name.partition("-")
    published = published_backbone(family)
    key = size if size in published.hashes else f"-{size}"
    if key not in published.hashes:
        raise UserError(
            f"Keras has no ImageNet weights for {table.name}; it has efficientnet-b0 to -b7 and efficientnetv2-b0 "
            "to -b3, -s, -m, -l. Set model.backbone to one, or model.pretrained to coco, a path or none"
        )
    name = f"{family}{key}_notop.h5" if family == "efficientnet" else f"{family}-{size}_notop.h5"
    return fetch(published.address + name, cache, published.hashes[key][1], "md5")


def _shape(array: Any) -> str:
    return "x".join(map(str, array.shape)) or "a scalar"
