"""The network: backbone, BiFPN, heads, put together as a Keras model that gives raw logits."""

from typing import Any

import keras

from plates.efficientdet.model.backbone import build_backbone
from plates.efficientdet.model.backbone_tables import backbone_table
from plates.efficientdet.model.bifpn import Cell, Project, resize
from plates.efficientdet.model.family import Spec
from plates.efficientdet.model.heads import PRIOR_BIAS, Head, SegmentationHead
from plates.efficientdet.model.layers import Style


def build(
    spec: Spec,
    batch_norm_momentum: float = 0.99,
    *,
    normalized_input: bool = False,
    synchronized_batch_norm: bool = False,
) -> keras.Model:
    """The detector, with fresh weights, under Keras's current dtype policy.

    Takes images [B, H, W, 3], RGB in 0 to 255 (normalised already with `normalized_input`). Gives a dict of float32:
    `class` [B, A, num_classes] logits and `box` [B, A, 4] (ty, tx, th, tw), anchors in the order of
    `anchors.generate` (levels from the finest, cells row by row, anchors of a cell); if those heads are on, `corners`
    [B, A, 8] (`boxes.deltas_to_corners`) and `segmentation` [B, H', W', seg_num_classes] logits (`SegmentationHead`).
    """
    style = Style(
        act_type=spec.act_type,
        bn_momentum=batch_norm_momentum,
        bn_synchronized=synchronized_batch_norm,
        separable_conv=spec.separable_conv,
        recompute=spec.grad_checkpoint,
    )
    images = keras.Input((*spec.image_size, 3), name="images", dtype="float32")
    x = images
    if not normalized_input:
        variance = [stddev**2 for stddev in spec.stddev_rgb]
        x = keras.layers.Normalization(mean=spec.mean_rgb, variance=variance, dtype="float32", name="normalization")(
            images
        )
    features = pyramid(spec, x, style)
    return keras.Model(images, outputs(spec, features, style), name=spec.name)


def pyramid(spec: Spec, images: Any, style: Style) -> list[Any]:
    """BiFPN's features [B, h, w, fpn_num_filters], finest level first, of normalised images [B, H, W, 3]."""
    backbone = build_backbone(backbone_table(spec.backbone), images, style)
    filters = spec.fpn_num_filters
    features = [backbone[level] for level in spec.levels if level in backbone]
    for level in range(max(backbone) + 1, spec.max_level + 1):
        x = features[-1]
        if x.shape[-1] != filters:
            x = Project(filters, style, f"resample_p{level}")(x)
        features.append(resize(x, spec.feature_size(level)))
    for i in range(spec.fpn_cell_repeats):
        widths = [feature.shape[-1] for feature in features]
        sizes = [spec.feature_size(level) for level in spec.levels]
        features = Cell(sizes, widths, filters, spec.fpn_weight_method, style, f"fpn_cells.cell_{i}")(features)
    return features


def outputs(spec: Spec, features: list[Any], style: Style) -> dict[str, Any]:
    """The heads' logits, all levels in one, float32 under any dtype policy."""
    found: dict[str, Any] = {}
    if "object_detection" in spec.heads:
        rest = (spec.fpn_num_filters, spec.box_class_repeats, spec.survival_prob, style)
        corners = "corners" in spec.heads
        heads = {
            ("class",): Head("class", spec.levels, spec.num_anchors, spec.num_classes, *rest, bias=PRIOR_BIAS),
            ("box", "corners"): Head("box", spec.levels, spec.num_anchors, 4, *rest, corners=corners),
        }
        for names, head in heads.items():
            for name, levels in zip(names, zip(*head(features), strict=True), strict=False):
                found[name] = keras.layers.Concatenate(axis=1, dtype="float32", name=name)(list(levels))
    if "segmentation" in spec.heads:
        head = SegmentationHead(spec.levels, spec.fpn_num_filters, spec.seg_num_classes, style)
        found["segmentation"] = keras.layers.Activation("linear", dtype="float32", name="segmentation")(head(features))
    return found


def variable_name(variable: Any) -> str:
    """The name of a variable in google/automl and in its published checkpoints (without `:0`)."""
    name = variable.path.replace(".", "/")
    return name.replace("depthwise_conv2d/kernel", "depthwise_conv2d/depthwise_kernel")
