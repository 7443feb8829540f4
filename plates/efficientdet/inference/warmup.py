"""The request with which TensorFlow Serving warms a model up before serving it.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of PredictionLog messages. Their package comes with a
TensorFlow of its own, so that the four messages are written field by field here; the numbers are those of
tensorflow_serving/apis/prediction_log.proto, predict.proto and model.proto.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from plates.efficientdet.data.tfrecords.framing import frame
from plates.files import atomic

WARMUP = "tf_serving_warmup_requests"
GREY = 128


def write_warmup(folder: Path, size: tuple[int, int]) -> None:
    """Writes a request of one grey JPEG of `size` (height, width) px to `serving_default`."""
    jpeg = tf.io.encode_jpeg(np.full((*size, 3), GREY, np.uint8)).numpy()
    images = tf.make_tensor_proto([jpeg]).SerializeToString(deterministic=True)
    model_spec = _message(1, _message(3, b"serving_default"))  # PredictRequest.model_spec, ModelSpec.signature_name
    inputs = _message(2, _message(1, b"images") + _message(2, images))  # PredictRequest.inputs, an entry of a map
    log = _message(6, _message(1, model_spec + inputs))  # PredictionLog.predict_log, PredictLog.request
    with atomic(folder / WARMUP) as temporary:
        temporary.write_bytes(frame(log))


def _message(number: int, content: bytes) -> bytes:
    """A field of type bytes, string or message on the wire: tag, length, content."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
