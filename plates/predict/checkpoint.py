"""A checkpoint as a network that answers as the exported ones do, by Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plates.efficientdet.config import ExportConfig, NmsConfig
from plates.efficientdet.inference.runtimes import Arrays, Network
from plates.errors import UserError
from plates.hashes import content_hash
from plates.quiet import import_tensorflow
from plates.settings.project import Project


def network(folder: Path) -> Network:
    """Opens a checkpoint's folder; post-processing is that of the project around it, or the default."""
    import_tensorflow()
    import tensorflow as tf

    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.inference.export import decoded, describe

    try:
        params = Project.find(folder).params
        nms, export = params.nms, params.export
    except UserError:
        nms, export = NmsConfig(), ExportConfig()
    found = saved_detector.load(folder)
    model = decoded(found.network, found.spec)
    answer = tf.function(lambda images: model(images, training=False))

    def run(pixels: np.ndarray) -> Arrays:
        return {name: np.asarray(value) for name, value in answer(tf.constant(pixels)).items()}

    return Network("checkpoint", describe(found, nms, export, checkpoint=content_hash(folder)), run)
