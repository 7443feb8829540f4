"""A trained detector whose answers another one learns from, beside the labels (arXiv:1503.02531)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from keras import ops

from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.checkpoints.load import checkpoint_in
from plates.efficientdet.model import anchors
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.boxes import Tensor
from plates.efficientdet.model.family import Spec
from plates.errors import UserError


def load(name: str, spec: Spec, label_map: Mapping[int, str]) -> Callable[[Tensor], dict[str, Tensor]]:
    """The raw outputs of a checkpoint's network, for training pictures of the size of `spec`.

    Args:
        name: a checkpoint folder, or one that has a `checkpoint` (models/champion).
        spec: of the detector that learns.
        label_map: class id to name, likewise; the teacher's must be equal.

    Raises:
        UserError: no checkpoint, or one of other anchors or classes.
    """
    saved = saved_detector.load(checkpoint_in(Path(name)))
    as_seen = replace(saved.spec, image_size=spec.image_size)
    if not np.array_equal(anchors.generate(as_seen), anchors.generate(spec)):
        raise UserError(
            f"the teacher {name} has other anchors than {spec.name} has here; they must be the same, as must "
            "model.min_level, max_level, num_scales, aspect_ratios and anchor_scale"
        )
    if saved.label_map != label_map:
        raise UserError(f"the teacher {name} knows the classes {saved.label_map}; here they are {dict(label_map)}")
    network = networks.build(as_seen)
    network.set_weights(saved.network.get_weights())
    return lambda images: {key: ops.stop_gradient(value) for key, value in network(images, training=False).items()}
