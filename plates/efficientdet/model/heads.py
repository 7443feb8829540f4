"""What reads the pyramid: the class and box heads, the latter with or without corners, and the segmentation head."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from plates.efficientdet.model.layers import Part, Style

# A class starts with a probability of 0.01 everywhere (Lin et al., 2017, section 4.1).
PRIOR_BIAS = -math.log((1 - 0.01) / 0.01)
CORNER_VALUES = 8


class Head(Part):
    """Predicts from each level with the same convolutions; batch norm is each level's own.

    From features [B, h, w, F], finest first, to the predictions of each level, a list: logits [B, h * w * anchors,
    values], in float32; with `corners` a second one, [B, h * w * anchors, 8], by one more convolution of the same
    features. `survival_prob` turns on residuals and stochastic depth, as google/automl does.
    """

    def __init__(
        self,
        kind: str,
        levels: range,
        num_anchors: int,
        values: int,
        filters: int,
        repeats: int,
        survival_prob: float | None,
        style: Style,
        bias: float = 0.0,
        corners: bool = False,
    ) -> None:
        super().__init__(style, f"{kind}_net")
        self.num_anchors = num_anchors
        initializer = "variance_scaling"
        self.convs = [style.conv3x3(filters, f"{kind}-{i}", initializer) for i in range(repeats)]
        self.bns = [
            [style.batch_norm(f"{kind}-{i}-bn-{level}", activated=True) for level in levels] for i in range(repeats)
        ]
        self.drops = [
            keras.layers.Dropout(1 - keep, noise_shape=(None, 1, 1, 1), name=f"{kind}-{i}-drop")
            for i, keep in enumerate(_survival(survival_prob, repeats))
        ]
        self.predict = style.conv3x3(num_anchors * values, f"{kind}-predict", initializer, bias)
        if corners:
            self.corners = style.conv3x3(num_anchors * CORNER_VALUES, f"{kind}-corners", initializer)
        self.predictions = ("predict", "corners") if corners else ("predict",)

    def forward(self, inputs: Sequence[Any], training: bool | None) -> list[list[Any]]:
        return [self._level(x, index, training) for index, x in enumerate(inputs)]

    def _level(self, x: Any, index: int, training: bool | None) -> list[Any]:
        for i, conv in enumerate(self.convs):
            before = x
            x = self.bns[i][index](conv(x), training=training)
            if self.drops and i > 0:
                x = before + self.drops[i](x, training=training)
        return [self._of_anchors(getattr(self, name)(x)) for name in self.predictions]

    def _of_anchors(self, logits: Any) -> Any:
        _, height, width, channels = logits.shape
        return ops.reshape(logits, (-1, height * width * self.num_anchors, channels // self.num_anchors))


def _survival(last: float | None, repeats: int) -> list[float]:
    """Probability to keep each repeat: 1 at first, falling linearly as far as `last` at the end of the row."""
    return [] if last is None else [1 - (1 - last) * i / repeats for i in range(repeats)]


class SegmentationHead(Part):
    """From the coarsest level up: a transposed convolution to the next level's size, then that level beside it.

    google/automl's, on the pyramid's features [B, h, w, F]: logits [B, H', W', classes] in float32 at half the stride
    of the finest level (4 for P3), H' being twice that level's height.
    """

    def __init__(self, levels: range, filters: int, classes: int, style: Style) -> None:
        super().__init__(style, "seg_net")
        self.steps = [
            (
                keras.layers.Conv2DTranspose(
                    filters, 3, strides=2, padding="same", use_bias=False, name=f"conv2d_transpose-{level}"
                ),
                style.batch_norm(f"bn-{level}", activated=True),
            )
            for level in list(levels)[-2::-1]
        ]
        self.predict = keras.layers.Conv2DTranspose(
            classes, 3, strides=2, padding="same", name="conv2d_transpose-predict"
        )

    def forward(self, inputs: Sequence[Any], training: bool | None) -> Any:
        x = inputs[-1]
        for (conv, bn), skip in zip(self.steps, inputs[-2::-1], strict=True):
            x = conv(x)[:, : skip.shape[1], : skip.shape[2], :]
            x = ops.concatenate([bn(x, training=training), skip], axis=-1)
        return self.predict(x)
