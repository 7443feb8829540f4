"""The building blocks of the network: activations, batch norm, convolutions with their published settings."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops, tree

from plates.efficientdet.model.activations import activate
from plates.efficientdet.model.batch_norm import BatchNormalization
from plates.efficientdet.model.devices import on_tensorflow_cpu


@dataclass(frozen=True)
class Style:
    """What is the same everywhere in one network.

    `bn_momentum` is Keras's: the share of the old moving statistics that is kept each step. `bn_synchronized` takes
    the batch's statistics over all replicas. `recompute` forgets activations inside blocks, cells and heads and
    computes them again in the backward pass.
    """

    act_type: str = "swish"
    bn_momentum: float = 0.99
    bn_synchronized: bool = False
    separable_conv: bool = True
    recompute: bool = False

    def activate(self, x: Any, training: bool | None) -> Any:
        return activate(self.act_type, x, training)

    def batch_norm(self, name: str, *, activated: bool = False) -> BatchNormalization:
        """Batch norm, with the network's activation after it if `activated`."""
        return BatchNormalization(
            momentum=self.bn_momentum,
            epsilon=1e-3,
            synchronized=self.bn_synchronized,
            act_type=self.act_type if activated else None,
            name=name,
        )

    def conv3x3(self, filters: int, name: str, initializer: str, bias: float = 0.0) -> keras.layers.Layer:
        """A 3x3 convolution with bias, separable if the network's are."""
        settings: dict[str, Any] = {
            "padding": "same",
            "bias_initializer": keras.initializers.Constant(bias),
            "name": name,
        }
        if self.separable_conv:
            kernels = {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
            return SeparableConv2D(filters, 3, **kernels, **settings)
        return keras.layers.Conv2D(filters, 3, kernel_initializer=initializer, **settings)


def as_product(layer: keras.layers.Layer, training: bool | None) -> bool:
    """Whether a 1x1 convolution is a matrix product here: in training on TensorFlow's CPU, where it is faster."""
    return bool(training) and layer.compute_dtype == "float32" and on_tensorflow_cpu()


class Conv2D(keras.layers.Conv2D):
    """Keras's, padded as "same", of inputs that are multiplied by `gates` [B, 1, 1, C] if there are any."""

    def call(self, inputs: Any, gates: Any = None, training: bool | None = None) -> Any:
        if self.kernel_size == (1, 1) and self.strides == (1, 1) and as_product(self, training):
            from plates.efficientdet.model.tensorflow_kernels import pointwise

            return pointwise(inputs, self.kernel, self.bias, gates)
        return super().call(inputs if gates is None else inputs * gates)


class SeparableConv2D(keras.layers.SeparableConv2D):
    """Keras's, padded as "same"."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if as_product(self, training):
            from plates.efficientdet.model.tensorflow_kernels import pointwise

            x = ops.depthwise_conv(inputs, self.depthwise_kernel, self.strides, "same")
            return pointwise(x, self.pointwise_kernel, self.bias)
        return super().call(inputs)


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras's, padded as "same" and without bias. In training TensorFlow has a faster gradient for it on CPUs."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training and self.kernel_size[0] > 3 and self.compute_dtype == "float32" and on_tensorflow_cpu():
            from plates.efficientdet.model.tensorflow_kernels import depthwise_convolution

            return depthwise_convolution(inputs, self.kernel.value, self.strides[0])
        return super().call(inputs)


class Composite(keras.layers.Layer):
    """A layer of layers. Those are built when the first call reaches them, by the shapes alone.

    Keras would have the backend trace two more calls: one to build them, one for the shape of the outputs.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return tree.map_structure(_apart, self.call(tree.map_structure(_apart, inputs), training=training))


def _apart(tensor: Any) -> keras.KerasTensor:
    """Of the same shape and type, in no model."""
    return keras.KerasTensor(tensor.shape, tensor.dtype)


class Part(Composite):
    """A part of the network that can forget its activations and compute them again in the backward pass.

    Subclasses define `forward(inputs, training)`. Recomputed, it runs as a pure function of its variables, so that
    moving statistics are updated once and stochastic depth drops the same twice.
    """

    def __init__(self, style: Style, name: str) -> None:
        super().__init__(name=name)
        self.style = style
        self.inside = False

    def forward(self, inputs: Any, training: bool | None) -> Any:
        raise TypeError(f"{type(self).__name__} has no forward")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if self.inside or not (self.style.recompute and training and self.built):
            return self.forward(inputs, training)

        def pure(trainable: list[Any], others: list[Any], inputs: Any) -> Any:
            self.inside = True
            try:
                return self.stateless_call(trainable, others, inputs, training=training)
            finally:
                self.inside = False

        trainable = [variable.value for variable in self.trainable_variables]
        others = [variable.value for variable in self.non_trainable_variables]
        outputs, updated = keras.remat(pure)(trainable, others, inputs)
        for variable, value in zip(self.non_trainable_variables, updated, strict=True):
            variable.assign(value)
        return outputs
