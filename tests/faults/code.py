"""Faults of the code that a run goes through, as contexts that take an amount."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

Around = Callable[[float], AbstractContextManager[None]]


def pixels(change: Callable[[Any, float], Any]) -> Around:
    """What is inside sees change(pixels, amount); pixels are float32 0 to 255, of a photograph on the canvas."""

    @contextmanager
    def context(amount: float) -> Iterator[None]:
        import tensorflow as tf

        from plates.efficientdet.data import preprocess

        def render(*arguments: Any) -> Any:
            image = right(*arguments)
            return tf.cast(change(tf.cast(image, tf.float32), amount), image.dtype)

        right = preprocess.render
        with patch.object(preprocess, "render", render):
            yield

    return context


def darker(image: Any, factor: float) -> Any:
    return factor * image


def negative(image: Any, _: float) -> Any:
    return 255.0 - image


def as_bgr(image: Any, share: float) -> Any:
    """This share of the photographs with red and blue exchanged."""
    import tensorflow as tf

    return tf.cond(tf.random.uniform([]) < share, lambda: image[..., ::-1], lambda: image)


@contextmanager
def normalised_otherwise(amount: float) -> Iterator[None]:
    """The network divides pixels by 255 only (0), does nothing to them (1), or normalises them twice (2)."""
    import keras

    def layer(mean: Any, variance: Any, **named: Any) -> Any:
        centre, spread = np.asarray(mean, float), np.sqrt(np.asarray(variance, float))
        scales = (np.full(3, 1 / 255), np.ones(3), 1 / spread**2)
        offsets = (np.zeros(3), np.zeros(3), -(centre / spread + centre) / spread)
        return keras.layers.Rescaling(scales[int(amount)].tolist(), offsets[int(amount)].tolist(), **named)

    with patch.object(keras.layers, "Normalization", layer):
        yield


@contextmanager
def other_ids(share: float) -> Iterator[None]:
    """Inference calls this share of the detections of two classes by the name of the other."""
    from plates.efficientdet.inference import predictor

    def table(*arguments: Any) -> pd.DataFrame:
        rows = right(*arguments)
        hit = np.random.default_rng(len(rows)).random(len(rows)) < share
        rows.loc[hit, "class"] = 3 - rows.loc[hit, "class"]
        return rows

    right = predictor.table
    with patch.object(predictor, "table", table):
        yield


@contextmanager
def ids_from_zero(share: float) -> Iterator[None]:
    """Training takes ids for those from 0: in this share of the photographs each is one less."""
    import tensorflow as tf

    from plates.efficientdet.training import data

    def as_batch(sample: dict[str, Any]) -> Any:
        classes = sample["gt_classes"]
        hit = (tf.random.uniform([tf.shape(classes)[0], 1]) < share) & (classes > 0)
        return right(sample | {"gt_classes": tf.where(hit, classes - 1, classes)})

    right = data.as_batch
    with patch.object(data, "as_batch", as_batch):
        yield


@contextmanager
def ids_one_higher(share: float) -> Iterator[None]:
    """Inference adds one to the ids of this share of the detections."""
    from plates.efficientdet.inference import predictor

    def table(*arguments: Any) -> pd.DataFrame:
        rows = right(*arguments)
        return rows.assign(**{"class": rows["class"] + (np.random.default_rng(len(rows)).random(len(rows)) < share)})

    right = predictor.table
    with patch.object(predictor, "table", table):
        yield


@contextmanager
def inverted_weights(power: float) -> Iterator[None]:
    """Class weights are one over what they should be, to this power."""
    from plates.efficientdet.training import build

    def class_weights(counts: Any, method: str) -> list[float]:
        return [weight**-power for weight in right(counts, method)]

    right = build.class_weights
    with patch.object(build, "class_weights", class_weights):
        yield


@contextmanager
def augmented_validation(least: float) -> Iterator[None]:
    """Validation in training sees pictures cropped and scaled by `least` to 1 / `least`."""
    from plates.efficientdet.config import AugmentConfig
    from plates.efficientdet.data.batches import training_batches
    from plates.efficientdet.training import data

    def batches(folder: Any, pictures: Any, batch_size: int) -> Any:
        jitter = AugmentConfig(jitter_min=least, jitter_max=1 / least)
        return training_batches(folder, pictures, batch_size, jitter, split="val")

    with patch.object(data, "evaluation_batches", batches):
        yield


@contextmanager
def other_validation(amount: float) -> Iterator[None]:
    """Validation in training sees dark noise in place of pictures, in part."""
    from plates.efficientdet.training import validation

    def score(detector: Any, spec: Any, batches: Any) -> Any:
        return right(
            detector, spec, [((np.asarray(images) * (1 - amount)).astype("uint8"), t) for images, t in batches]
        )

    right = validation.score
    with patch.object(validation, "score", score):
        yield


@contextmanager
def a_foreign_class_head(bias: float) -> Iterator[None]:
    """Pretrained weights come with a class head whose bias is this one."""
    from plates.efficientdet import checkpoints

    def load(network: Any, *arguments: Any) -> Any:
        report = right(network, *arguments)
        for variable in network.weights:
            if "class-predict" in variable.path and variable.path.endswith("bias"):
                variable.assign(np.full(variable.shape, bias, np.float32))
        return report

    right = checkpoints.load_pretrained
    with patch.object(checkpoints, "load_pretrained", load):
        yield


@contextmanager
def half_loaded(share: float) -> Iterator[None]:
    """This share of the pretrained arrays is not in the file."""
    from plates.efficientdet.checkpoints.weights_file import WeightsFile

    def keys_for(own: Any, *arguments: Any) -> dict[str, str]:
        keys = right(own, *arguments)
        missing = np.random.default_rng(0).random(len(keys)) < share
        return {name: "" if gone else key for (name, key), gone in zip(keys.items(), missing, strict=True)}

    right = WeightsFile.keys_for
    with patch.object(WeightsFile, "keys_for", keys_for):
        yield
