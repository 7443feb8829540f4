"""The data a run learns from, from any source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import tensorflow as tf

from plates.efficientdet.config import AugmentConfig, TrainConfig
from plates.efficientdet.data.batches import evaluation_batches, training_batches
from plates.efficientdet.data.samples import pictures
from plates.efficientdet.data.tfrecords.manifest import FILE_NAME, read_manifest
from plates.efficientdet.model.family import Spec
from plates.errors import UserError
from plates.hashes import content_hash

# Images and targets, as `Detector` takes them.
Batch = tuple[Any, dict[str, Any]]
TARGETS = ("gt_boxes", "gt_classes", "gt_corners", "mask")


@dataclass(frozen=True)
class Data:
    """Batches as `Detector` takes them, and what is known about them.

    Attributes:
        training: the endless batches from a step on (0: the first), the same ones whenever it is called; a
            `tf.data.Dataset` where `train.strategy` divides it over devices.
        images: number of training images, which is what an epoch is.
        validation: batches to choose the best weights by; empty: the last are taken.
        label_map: class id (from 1) to name.
        class_counts: training boxes of each class, in the order of ids; for `train.class_weights`.
        fingerprint: what identifies the data, in JSON's types; a state of other data is not resumed.
        size: (height, width) in px of the training pictures; None: of the network's input, as validation pictures are.
    """

    training: Callable[[int], Iterable[Batch]]
    images: int
    validation: Iterable[Batch] = ()
    label_map: dict[int, str] = field(default_factory=lambda: {1: "object"})
    class_counts: tuple[int, ...] = ()
    fingerprint: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None


def from_tfrecords(
    folder: Path, spec: Spec, train: TrainConfig, augment: AugmentConfig, max_validation_images: int = 200
) -> Data:
    """`Data` of a folder of TFRecords: its train split, and up to `max_validation_images` images of val.

    Raises:
        UserError: no manifest, shards missing, fewer images than a batch, or classes that the network lacks.
    """
    manifest = read_manifest(folder)
    beyond = {key: name for key, name in manifest.label_map.items() if key > spec.num_classes}
    if beyond:
        raise UserError(
            f"The data has classes {beyond}, but the network has only {spec.num_classes}: "
            f"set model.num_classes: {max(manifest.label_map)}."
        )
    if "segmentation" in spec.heads and spec.seg_num_classes <= max(manifest.label_map):
        raise UserError(
            f"The masks have classes 0 (background) to {max(manifest.label_map)}, but the segmentation head has only "
            f"{spec.seg_num_classes}: set model.seg_num_classes: {max(manifest.label_map) + 1}."
        )
    seen = pictures(spec, augment)

    def training(start: int) -> tf.data.Dataset:
        batches = training_batches(
            folder, seen, train.batch_size, augment,
            seed=train.seed, start_step=start, balanced=train.balanced_sampling,
        )  # fmt: skip
        return batches.map(as_batch)

    validation: Iterable[Batch] = ()
    if "val" in manifest.splits and manifest.split("val").images:
        batches = evaluation_batches(folder, seen, train.batch_size)
        validation = batches.take(-(-max_validation_images // train.batch_size)).map(as_batch)
    counts = manifest.class_counts["train"]
    return Data(
        training,
        manifest.split("train").images,
        validation,
        manifest.label_map,
        tuple(counts.get(manifest.label_map.get(key, ""), 0) for key in range(1, spec.num_classes + 1)),
        {"manifest": content_hash(folder / FILE_NAME), "augment": augment.model_dump(mode="json")},
        seen.canvas,
    )


def as_batch(sample: dict[str, Any]) -> Batch:
    """A batch of `plates.efficientdet.data.batches` in the form of Keras."""
    return sample["images"], {name: value for name, value in sample.items() if name != "images"}


def from_batches(batches: Iterable[Batch], **known: Any) -> Data:
    """`Data` of batches that can be iterated again and again: a list, a `tf.data.Dataset`, a Keras `PyDataset`.

    An iteration is an epoch. Takes the other attributes of `Data` by name; `images` is counted if not given.
    """
    images = known.pop("images", None) or sum(len(pixels) for pixels, _ in batches)
    if not images:
        raise UserError("There are no training images. Check the train split: `plates materialize splits`.")

    def training(start: int) -> Iterable[Batch]:
        return batches.repeat().skip(start) if hasattr(batches, "repeat") else islice(_endless(batches), start, None)

    return Data(training, images, **known)


def _endless(batches: Iterable[Batch]) -> Iterator[Batch]:
    while True:
        count = 0
        for batch in batches:
            count += 1
            yield batch
        if not count:
            raise UserError("The batches can be iterated only once: give a list, a tf.data.Dataset or a PyDataset.")
