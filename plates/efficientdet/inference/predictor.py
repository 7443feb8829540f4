"""From JPEG bytes to boxes in pixels of the original image: one code path, for evaluation and the exported model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from plates.columns import BOX, CORNERS
from plates.efficientdet.checkpoints.saved_detector import SavedDetector
from plates.efficientdet.config import NmsConfig
from plates.efficientdet.data import preprocess
from plates.efficientdet.data.batches import evaluation_batches
from plates.efficientdet.data.samples import pictures
from plates.efficientdet.data.tfrecords.example import Example
from plates.efficientdet.evaluation import metrics
from plates.efficientdet.inference import postprocess
from plates.efficientdet.inference.postprocess import table
from plates.efficientdet.model import anchors
from plates.efficientdet.model.family import Spec
from plates.errors import UserError

BATCH = 8


class Predictor(tf.Module):
    """A network between its pre- and post-processing.

    Args:
        network: of `network.build(spec)`, float32, on the TensorFlow backend.
        nms: its `score_thresh` is the lowest score that comes out.
    """

    def __init__(self, network: keras.Model, spec: Spec, nms: NmsConfig) -> None:
        super().__init__(name="predictor")
        if keras.backend.backend() != "tensorflow":
            raise UserError("Predicting from files and exporting need the TensorFlow backend: unset KERAS_BACKEND.")
        self.network = network
        # TensorFlow finds no variables in Keras's nested lists of layers by itself, and a SavedModel needs them all.
        self.all_variables = [variable.value for variable in network.variables]
        self.spec = spec
        self.nms = spec.post_processing(nms)
        self.anchors = anchors.generate(spec)
        self.on_jpegs = tf.function(self.from_jpegs, input_signature=[tf.TensorSpec([None], tf.string, "images")])

    def load(self, jpeg: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One file as the network sees it: uint8 [H, W, 3], and original pixels per pixel of that."""
        return preprocess.load(jpeg, self.spec.image_size, pictures(self.spec).mean_rgb)

    def from_jpegs(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detections in JPEG files: `images` string [B], the files' bytes, of any sizes.

        Returns:
            boxes: float32 [B, N, 4] ymin, xmin, ymax, xmax in pixels of the original image, best score first. They end
                at its edges; the reference's end at those of the network's input, which may be larger.
            scores: float32 [B, N] in 0 to 1.
            classes: int32 [B, N], ids of the label map, from 1.
            valid_len: int32 [B], number of detections; the rows after it are zero.
            corners: float32 [B, N, 4, 2], if the network has that head: y, x of each plate's bottom right, bottom left,
                top left and top right in pixels of the original image.
            masks: uint8 [B, h, w], if the network has that head: class of each cell of the network's input, 0 the
                background. `mask_scale` float32 [B]: original pixels per cell; the picture is at the top left.

        Without the detection head only the masks.
        """
        pixels, scales = tf.map_fn(
            self.load,
            images,
            fn_output_signature=(
                tf.TensorSpec([*self.spec.image_size, 3], tf.uint8),
                tf.TensorSpec([], tf.float32),
            ),
        )
        outputs = self.network(tf.cast(pixels, tf.float32), training=False)
        found: dict[str, tf.Tensor] = {}
        if "class" in outputs:
            found = postprocess.detect(outputs, self.anchors, scales, self.spec.image_size, self.nms)
            sizes = tf.map_fn(jpeg_size, images, fn_output_signature=tf.TensorSpec([2], tf.float32))
            found["boxes"] = tf.minimum(found["boxes"], tf.tile(sizes, [1, 2])[:, None])
        if "segmentation" in outputs:
            logits = outputs["segmentation"]
            found["masks"] = tf.cast(tf.argmax(logits, axis=-1), tf.uint8)
            found["mask_scale"] = scales * self.spec.mask_stride
        return found


def jpeg_size(jpeg: tf.Tensor) -> tf.Tensor:
    """(height, width) float32 [2] of a JPEG, from its header."""
    return tf.cast(tf.io.extract_jpeg_shape(jpeg)[:2], tf.float32)


def detect(predictor: Predictor, examples: Iterable[Example], batch_size: int = BATCH) -> pd.DataFrame:
    """Every detection in `examples` (of `tfrecords.read`): the columns of data/detections.parquet but `subset`.

    The corners are NaN if the network has no such head.

    Raises:
        UserError: an example's picture cannot be decoded.
    """
    parts = [_empty()]
    for batch in _batched(examples, batch_size):
        try:
            found = predictor.on_jpegs(tf.constant([example.encoded for example in batch]))
        except tf.errors.InvalidArgumentError as error:
            names = ", ".join(example.path for example in batch)
            raise UserError(f"One of {names} is not a JPEG ({error.message.splitlines()[0]}).") from error
        ids = np.array([int(example.image_id) for example in batch])
        rows = table(ids, {name: value.numpy() for name, value in found.items()})
        paths = {int(example.image_id): example.path for example in batch}
        rows.insert(1, "path", rows["image_id"].map(paths).astype("str"))
        parts.append(rows)
    return pd.concat(parts, ignore_index=True).astype(_empty().dtypes.to_dict())


def mask_iou(detector: SavedDetector, folder: Path, split: str, batch_size: int = BATCH) -> dict[str, float]:
    """IoU of the masks over a split of a folder of TFRecords, by class: `background`, then those of the label map.

    A class that neither the labels nor the masks have is left out.
    """
    spec = detector.spec
    confusion = np.zeros((spec.seg_num_classes, spec.seg_num_classes), np.int64)
    for batch in evaluation_batches(folder, pictures(spec), batch_size, split):
        logits = detector.network.predict_on_batch(batch["images"])["segmentation"]
        confusion += metrics.confusion(batch["mask"].numpy(), logits)
    names = {0: "background", **detector.label_map}
    iou = enumerate(metrics.mask_iou(confusion))
    return {names.get(index, str(index)): float(value) for index, value in iou if np.isfinite(value)}


def _empty() -> pd.DataFrame:
    kinds = {"image_id": "int64", "path": "str", "class": "int32", "score": "float32"}
    sides = dict.fromkeys([*BOX, *CORNERS], "float32")
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in (kinds | sides).items()})


def _batched(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    iterator = iter(examples)
    while batch := list(islice(iterator, size)):
        yield batch
