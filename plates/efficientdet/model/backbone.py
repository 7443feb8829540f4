"""One builder for every EfficientNet of the tables: MBConv and fused MBConv blocks.

Layers have google/automl's names, with `.` for `/` inside a layer's own name, so that a variable's name there is its
path here (`plates.efficientdet.model.network.variable_name`).
"""

from collections import Counter
from typing import Any

import keras
from keras import ops

from plates.efficientdet.model.backbone_tables import Backbone, Stage
from plates.efficientdet.model.devices import on_tensorflow_cpu
from plates.efficientdet.model.layers import Composite, Conv2D, DepthwiseConv2D, Part, Style

# google/automl: normal with a variance of 2 / fan_out.
KERNEL_INITIALIZER = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


class Names:
    """google/automl's names inside a block: conv2d, conv2d_1, ... in the order of creation."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def __call__(self, kind: str) -> str:
        self.seen[kind] += 1
        return kind if self.seen[kind] == 1 else f"{kind}_{self.seen[kind] - 1}"


def convolution(filters: int, kernel: int, stride: int, name: str, *, bias: bool = False) -> Conv2D:
    return Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=bias,
        kernel_initializer=KERNEL_INITIALIZER.clone(),
        name=name,
    )


class SqueezeExcite(Composite):
    """Gates [B, 1, 1, C] for the channels of `x`, by their means over the picture (Hu et al., 2018); and `x` itself."""

    def __init__(self, filters: int, reduced: int, style: Style, name: str) -> None:
        super().__init__(name=name)
        self.style = style
        self.reduce = convolution(reduced, 1, 1, "conv2d", bias=True)
        self.expand = convolution(filters, 1, 1, "conv2d_1", bias=True)

    def call(self, x: Any, training: bool | None = None) -> tuple[Any, Any]:
        if training and on_tensorflow_cpu():
            from plates.efficientdet.model.tensorflow_kernels import with_mean

            x, pooled = with_mean(x)
        else:
            pooled = ops.mean(x, axis=(1, 2), keepdims=True)
        return x, ops.sigmoid(self.expand(self.style.activate(self.reduce(pooled), training)))


class Block(Part):
    """An inverted residual: expand, depthwise, squeeze-excite, project (MBConv).

    Fused, a plain convolution replaces expand and depthwise; with expansion 1 it is the only one, and is activated.
    """

    def __init__(
        self, stage: Stage, filters_in: int, stride: int, survival_prob: float, style: Style, name: str
    ) -> None:
        super().__init__(style, name)
        names = Names()
        wide = filters_in * stage.expand
        only = stage.fused and stage.expand == 1
        self.residual = stride == 1 and filters_in == stage.filters
        self.expand = self.depthwise = self.se = None
        if stage.expand != 1:
            kernel, expand_stride = (stage.kernel, stride) if stage.fused else (1, 1)
            self.expand = convolution(wide, kernel, expand_stride, names("conv2d"))
            self.expand_bn = style.batch_norm(names("tpu_batch_normalization"), activated=True)
        if not stage.fused:
            self.depthwise = DepthwiseConv2D(
                stage.kernel,
                strides=stride,
                padding="same",
                use_bias=False,
                depthwise_initializer=KERNEL_INITIALIZER.clone(),
                name=names("depthwise_conv2d"),
            )
            self.depthwise_bn = style.batch_norm(names("tpu_batch_normalization"), activated=True)
        if stage.se_ratio:
            self.se = SqueezeExcite(wide, max(1, int(filters_in * stage.se_ratio)), style, "se")
        self.project = convolution(stage.filters, stage.kernel if only else 1, stride if only else 1, names("conv2d"))
        self.project_bn = style.batch_norm(names("tpu_batch_normalization"), activated=only)
        self.drop = None
        if self.residual and survival_prob < 1:
            self.drop = keras.layers.Dropout(1 - survival_prob, noise_shape=(None, 1, 1, 1), name="drop")

    def forward(self, inputs: Any, training: bool | None) -> Any:
        x = inputs
        if self.expand is not None:
            x = self.expand_bn(self.expand(x), training=training)
        if self.depthwise is not None:
            x = self.depthwise_bn(self.depthwise(x, training=training), training=training)
        gates = None
        if self.se is not None:
            x, gates = self.se(x, training=training)
        x = self.project_bn(self.project(x, gates), training=training)
        if self.residual:
            x = inputs + (self.drop(x, training=training) if self.drop is not None else x)
        return x


class Stem(Part):
    """The first convolution, to half the size."""

    def __init__(self, filters: int, style: Style, name: str) -> None:
        super().__init__(style, name)
        self.conv = convolution(filters, 3, 2, "conv2d")
        self.bn = style.batch_norm("tpu_batch_normalization", activated=True)

    def forward(self, inputs: Any, training: bool | None) -> Any:
        return self.bn(self.conv(inputs), training=training)


def build_backbone(table: Backbone, images: Any, style: Style) -> dict[int, Any]:
    """Features by level: the output of the last block before each further stride, so 1 (half the size) to 5.

    `images` is [B, H, W, 3], normalised. The published 1x1 convolution on top is for classification and left out.
    """
    x = Stem(table.stem, style, f"{table.name}.stem")(images)
    filters, level, index = table.stem, 1, 0
    count = sum(stage.repeats for stage in table.stages)
    features: dict[int, Any] = {}
    for stage in table.stages:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            level += stride == 2
            survival = 1 - (1 - table.survival_prob) * index / count if table.survival_prob else 1.0
            name = f"{table.name}.blocks_{index}"
            x = features[level] = Block(stage, filters, stride, survival, style, name)(x)
            filters = stage.filters
            index += 1
    return features
