"""Batches for training and evaluation from a folder of TFRecords, by tf.data.

A batch is a dict of

- `images` uint8 [B, H, W, 3], RGB (float32 where `exact`), not normalised: the model does that;
- `gt_boxes` float32 [B, M, 4], yxyx in pixels of the network's input; M is the largest number of boxes in an image;
- `gt_classes` int32 [B, M], from 1; 0 is padding; negative for a box that is not a positive: a crowd, or too small;
- `gt_dropped` int32 [B], boxes that jitter left too little of, and `gt_outside`, those that a crop shows nothing of
  (training only);
- `gt_pasted` int32 [B], objects of other pictures (training with `augment.copy_paste` only);
- `gt_corners` float32 [B, M, 4, 2], y, x in the boxes' pixels, of bottom right, bottom left, top left and top right,
  which may be outside the picture; NaN where the example has none; if asked for;
- `image_id` int64 [B];
- `image_scale` float32 [B], original pixels per pixel of the network's input;
- `mask` int32 [B, ceil(H / s), ceil(W / s)], the class of each cell of s = `mask_stride` pixels, if asked for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data import preprocess, samples
from plates.efficientdet.data.samples import Pictures
from plates.efficientdet.data.sampling import copies_by_label
from plates.efficientdet.data.tfrecords.example import from_bytes
from plates.efficientdet.data.tfrecords.framing import payloads
from plates.efficientdet.data.tfrecords.manifest import Manifest, read_manifest
from plates.errors import UserError

# Serialized pictures: 2,048 of 95 KB are 200 MB. The shards are already in random order.
_SHUFFLE_BUFFER = 2048
_OPEN_SHARDS = 8
_READ_BUFFER = 2**20
_PARALLEL = tf.data.AUTOTUNE
# Nothing here branches in Python on a tensor, so converting it would only cost seconds.
_traced = tf.autograph.experimental.do_not_convert


def training_batches(
    folder: Path,
    pictures: Pictures,
    batch_size: int,
    augment: AugmentConfig,
    *,
    seed: int = 0,
    start_step: int = 0,
    balanced: bool = False,
    cache_mib: int = 1024,
    split: str = "train",
) -> tf.data.Dataset:
    """Endless augmented batches; batch k is the same for the same arguments, wherever training was resumed.

    Args:
        start_step: the step of the first batch; earlier examples of its epoch are skipped undecoded.
        balanced: images are repeated or left out by class (`plates.efficientdet.data.sampling`).
        cache_mib: decoded pictures are kept in memory if they need at most this many MiB, at the ratio that the largest
            jitter needs, if that is the same for all.

    Raises:
        UserError: no manifest, no such split, missing shards, fewer images than a batch.
    """
    manifest = read_manifest(folder)
    files = _files(folder, manifest, split)
    images = manifest.split(split).images
    if images < batch_size:
        raise UserError(
            f"the {split} split has {images} images, fewer than a batch of {batch_size}: "
            "lower train.batch_size or add images"
        )
    ratio = _cache_ratio(files, pictures, augment, cache_mib)
    copies = copies_by_label(manifest, split) if balanced else None
    cached = _cached(files, ratio) if ratio else None

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # This graph's own seed, so that the order does not depend on what the process has set globally.
        tf.compat.v1.set_random_seed(seed + 1)
        examples = _interleaved(files, seed, number) if cached is None else cached
        if copies is not None:
            examples = _resampled(examples, copies, seed, number)
        shuffled = examples.shuffle(
            images if cached is not None else min(images, _SHUFFLE_BUFFER), number, reshuffle_each_iteration=False
        )
        return shuffled.repeat().take(images) if copies is not None else shuffled

    pastes = augment.copy_paste > 0

    def parsed(example: Any) -> samples.Sample:
        return samples.parse(example) if cached is None else example

    def sample(position: tf.Tensor, example: Any) -> samples.Sample:
        own, donor = map(parsed, example) if pastes else (parsed(example), None)
        seen = samples.augmented(own, position, seed, pictures, augment, ratio, donor)
        return samples.padded(seen, _max_boxes(manifest, split) + pastes)

    done = start_step * batch_size
    first = done // images
    examples = tf.data.Dataset.range(first, tf.int64.max).flat_map(_traced(epoch)).skip(done - first * images)
    if pastes:
        examples = _with_next(examples)
    counted = tf.data.Dataset.zip((tf.data.Dataset.counter(done), examples))
    seen = counted.map(_traced(sample), _PARALLEL, deterministic=True)
    return seen.batch(batch_size, drop_remainder=True).prefetch(2)


def evaluation_batches(folder: Path, pictures: Pictures, batch_size: int, split: str = "val") -> tf.data.Dataset:
    """Every image of the split once and uncropped, in the shards' order; the last batch may be smaller.

    Raises:
        UserError: no manifest, no such split, missing shards, no images.
    """
    manifest = read_manifest(folder)
    examples = tf.data.TFRecordDataset(_files(folder, manifest, split), buffer_size=_READ_BUFFER)

    def sample(example: tf.Tensor) -> samples.Sample:
        return samples.padded(samples.whole(samples.parse(example), pictures), _max_boxes(manifest, split))

    return examples.map(_traced(sample), _PARALLEL, deterministic=True).batch(batch_size).prefetch(2)


def preview(
    folder: Path, pictures: Pictures, augment: AugmentConfig, count: int, *, seed: int = 0, split: str = "train"
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The first `count` training pictures as the network will see them, for contact sheets.

    Yields (image [H, W, 3] uint8, boxes [n, 4] float32 yxyx px, classes [n]); ignored boxes have a negative
    class.
    """
    batches = training_batches(folder, pictures, 1, augment, seed=seed, cache_mib=0, split=split)
    for batch in batches.take(count).as_numpy_iterator():
        real = batch["gt_classes"][0] != 0
        yield batch["images"][0], batch["gt_boxes"][0][real], batch["gt_classes"][0][real]


def _max_boxes(manifest: Manifest, split: str) -> int:
    return max(1, manifest.split(split).max_boxes)


def _files(folder: Path, manifest: Manifest, split: str) -> list[str]:
    paths = [folder / shard.file for shard in manifest.split(split).shards]
    if not paths:
        raise UserError(f"the {split} split of {folder} has no images: change split in params.yaml")
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise UserError(
            f"{len(missing)} shards of the {split} split are missing from {folder} ({missing[0]}, ...): "
            "run `plates materialize tfrecords`"
        )
    return [str(path) for path in paths]


def _cache_ratio(files: list[str], pictures: Pictures, augment: AugmentConfig, cache_mib: int) -> int | None:
    """The ratio at which pictures are kept decoded; None if they do not fit, or are not all decoded at one ratio."""
    largest = (pictures.size[0] * augment.jitter_max, pictures.size[1] * augment.jitter_max)
    room, of_size, chosen = cache_mib * 2**20, dict[tuple[int, int], int](), None
    for example in (from_bytes(payload) for file in files for payload in payloads(Path(file))):
        size = example.height, example.width
        if size not in of_size:
            scale = min(largest[0] / size[0], largest[1] / size[1])
            of_size[size] = int(preprocess.decode_ratio(*size, tf.constant(scale)))
        ratio = of_size[size]
        room -= (size[0] // ratio) * (size[1] // ratio) * 3
        if room < 0 or ratio != (chosen or ratio):
            return None
        chosen = ratio
    return chosen


def _cached(files: list[str], ratio: int) -> tf.data.Dataset:
    examples = tf.data.TFRecordDataset(files, buffer_size=_READ_BUFFER)
    return examples.map(
        _traced(lambda example: samples.decoded(samples.parse(example), ratio)), _PARALLEL, deterministic=True
    ).cache()


def _interleaved(files: list[str], seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    keys = tf.random.stateless_uniform([len(files)], tf.stack([tf.constant(seed, tf.int64), epoch]))
    shards = tf.data.Dataset.from_tensor_slices(tf.gather(tf.constant(files), tf.argsort(keys)))
    return shards.interleave(
        lambda file: tf.data.TFRecordDataset(file, buffer_size=_READ_BUFFER),
        cycle_length=min(_OPEN_SHARDS, len(files)),
    )


def _with_next(examples: tf.data.Dataset) -> tf.data.Dataset:
    """Each example with the one that follows it, whose objects may be pasted."""

    def pair(window: tf.data.Dataset | dict[str, tf.data.Dataset]) -> tf.data.Dataset:
        both = tf.data.Dataset.zip(window)
        return tf.data.Dataset.zip((both, both.skip(1)))

    return examples.window(2, shift=1, drop_remainder=True).flat_map(_traced(pair))


def _resampled(examples: tf.data.Dataset, copies: np.ndarray, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    """Repeats each example as often as its rarest class needs; fractions are drawn at random, repeatably per epoch."""

    def repeated(index: tf.Tensor, example: tf.Tensor | samples.Sample) -> tf.data.Dataset:
        classes = tf.abs(example["classes"]) if isinstance(example, dict) else samples.labels(example)
        asked = tf.reduce_max(tf.gather(copies, classes))
        asked = tf.where(tf.size(classes) == 0, copies[0], asked)
        key = tf.random.experimental.stateless_fold_in(tf.stack([tf.constant(seed, tf.int64), epoch]), index)
        times = tf.floor(asked + tf.random.stateless_uniform([], key))
        return tf.data.Dataset.from_tensors(example).repeat(tf.cast(times, tf.int64))

    return examples.enumerate().flat_map(_traced(repeated))
