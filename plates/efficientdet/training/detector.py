"""The network together with what it is trained on: matching and losses inside the training step, on either backend.

A batch is `(images, targets)`: images [B, H, W, 3] uint8 RGB of the network's input size, and a dictionary with
`gt_boxes` float32 [B, M, 4] yxyx in pixels of that input, padded; `gt_classes` int32 [B, M] from 1, 0 for padding,
negative for boxes to ignore; `gt_corners` float32 [B, M, 4, 2] y, x in the same pixels (bottom right, bottom left, top
left, top right; NaN where not known) if corners are trained; `mask` int32 [B, h, w] if the segmentation head is,
negative where it does not count. Other entries are left alone. `Detector.fit` takes any dataset of such batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import ops

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model import anchors
from plates.efficientdet.model.boxes import Tensor
from plates.efficientdet.model.family import Spec, assignment
from plates.efficientdet.training import devices, losses, matching, optimizer

TERMS = ("cls", "box", "iou", "teacher", "corners", "seg", "l2")
COUNTS = ("positives", "boxes", "ignored", "top_score")


class Detector(keras.Model):
    """`network` with the loss of EfficientDet. Called, it is the network: raw outputs.

    Args:
        network: of `network.build(spec)`.
        train: weights and shapes of the loss terms.
        class_weights: [C] factors for the class loss (`class_weights.class_weights`).
        teacher: raw outputs for images, to learn from beside the targets.

    Metrics, each the mean since `reset_metrics`: "loss"; its terms "cls", "box", "iou", "teacher", "corners" and "seg"
    before their weights; "l2" if the optimizer adds weight decay to the gradient (the loss leaves it out); and a mean
    image's "positives" (anchors), "boxes", "ignored" (boxes too small to learn) and "top_score" (its highest class
    score).
    """

    def __init__(
        self,
        network: keras.Model,
        spec: Spec,
        train: TrainConfig,
        class_weights: Sequence[float] | None = None,
        teacher: Callable[[Tensor], dict[str, Tensor]] | None = None,
    ) -> None:
        super().__init__(name="detector")
        self.network = network
        self.train_config = train
        self.class_weights = class_weights
        self.teacher = teacher
        self.anchors = anchors.generate(spec)
        assigned = assignment(spec.name, spec.backbone, train.assignment)
        self.cells = anchors.cells(spec) if assigned == "atss" else None
        self.means = {name: keras.metrics.Mean(name=name) for name in (*TERMS, *COUNTS)}
        self.built = True

    def call(self, images: Tensor, training: bool | None = None) -> dict[str, Tensor]:
        return self.network(images, training=training)

    def compute_loss(
        self,
        x: Tensor = None,
        y: dict[str, Tensor] | None = None,
        y_pred: dict[str, Tensor] | None = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """The loss of this replica's share of the batch: summed over the replicas, that of the whole batch."""
        assert y is not None
        assert y_pred is not None
        replicas = devices.replicas()
        terms: dict[str, Tensor] = {}
        total: Tensor = 0.0
        if "class" in y_pred:
            truth = y["gt_boxes"], y["gt_classes"]
            matched = matching.match(self.anchors, *truth, reference=self.train_config.reference, cells=self.cells)
            targets = matching.targets_of(matched, self.anchors, *truth)
            normalizer = devices.over_replicas(ops.sum(targets.num_positives)) + 1.0
            found = losses.detection_loss(
                *(y_pred, targets, self.anchors, normalizer, self.train_config, self.class_weights),
                taught=self.teacher(x) if self.teacher and training else None,
                corners=matching.corners_of(matched, self.anchors, y["gt_corners"]) if "corners" in y_pred else None,
            )
            terms = {"cls": found["class_loss"], "box": found["box_loss"]}
            terms |= {name: found.get(f"{name}_loss", 0.0) for name in ("iou", "teacher", "corners")}
            total = found["det_loss"]
            self.means["positives"].update_state(targets.num_positives)
            self.means["boxes"].update_state(_per_image(y["gt_classes"] > 0))
            self.means["ignored"].update_state(_per_image(y["gt_classes"] < 0))
            self.means["top_score"].update_state(ops.sigmoid(ops.max(y_pred["class"], axis=(1, 2))))
        if "segmentation" in y_pred:
            terms["seg"] = segmentation_loss(y["mask"], y_pred["segmentation"])
            total = total + terms["seg"]
        if training and self.train_config.optimizer != "adamw":
            kernels = [v for v in self.trainable_variables if optimizer.is_decayed(v)]
            terms["l2"] = losses.l2_loss(kernels, self.train_config.weight_decay) / replicas
        for name, value in terms.items():
            self.means[name].update_state(value * replicas)
        return total

    def compute_metrics(self, x: Tensor, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> dict[str, Tensor]:
        return devices.reducible(super().compute_metrics(x, y, y_pred, sample_weight))

    @property
    def gradient_norm(self) -> float:
        """L2 norm of the last whole gradient before clipping, L2 weight decay included (see `optimizer`)."""
        return float(optimizer.unwrapped(self.optimizer).gradient_norm.numpy())


def _per_image(flags: Tensor) -> Tensor:
    return ops.sum(ops.cast(flags, "float32"), axis=1)


def segmentation_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of the cells of `mask` int [B, h, w] under `logits` [B, >= h, >= w, S], a scalar.

    Its mean over the cells of all replicas that count (0 or more), of which this is the replica's share.
    """
    logits = ops.cast(logits, "float32")[:, : mask.shape[1], : mask.shape[2]]
    counts = ops.cast(mask >= 0, "float32")
    each = keras.losses.sparse_categorical_crossentropy(ops.maximum(mask, 0), logits, from_logits=True)
    return ops.divide_no_nan(ops.sum(each * counts), devices.over_replicas(ops.sum(counts)))
