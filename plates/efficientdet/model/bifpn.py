"""BiFPN: the weighted bi-directional feature pyramid (EfficientDet, section 3; google/automl's nodes)."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from keras import ops

from plates.efficientdet.model.layers import Composite, Conv2D, Part, Style


def cell_nodes(num_levels: int) -> list[tuple[int, tuple[int, ...]]]:
    """The nodes of a cell: (level from 0, the ids of what it adds up).

    Ids 0 to num_levels - 1 are the cell's inputs, then nodes in their order: down to the finest level, and up again.
    The outputs are the last node of each level. For five levels: 5 = (3, 4), 6 = (2, 5), 7 = (1, 6), 8 = (0, 7),
    9 = (1, 7, 8), 10 = (2, 6, 9), 11 = (3, 5, 10), 12 = (4, 11).
    """
    ids: dict[int, list[int]] = {level: [level] for level in range(num_levels)}
    nodes: list[tuple[int, tuple[int, ...]]] = []
    top = num_levels - 1
    down = [(level, lambda level: (ids[level][-1], ids[level + 1][-1])) for level in range(top - 1, -1, -1)]
    up = [(level, lambda level: (*ids[level], ids[level - 1][-1])) for level in range(1, top + 1)]
    for level, inputs in down + up:
        nodes.append((level, inputs(level)))
        ids[level].append(num_levels + len(nodes) - 1)
    return nodes


def upsample(x: Any, size: tuple[int, int]) -> Any:
    """Nearest neighbour to twice the size, cut to `size`.

    Exactly the legacy resize of google/automl, since a level is half of the one before rounded up.
    """
    _, height, width, channels = x.shape
    cells = ops.reshape(x, (-1, height, 1, width, 1, channels))  # by a reshape, as LiteRT slices five sides at most
    x = ops.broadcast_to(cells, (ops.shape(x)[0], height, 2, width, 2, channels))
    x = ops.reshape(x, (-1, 2 * height, 2 * width, channels))
    return x if x.shape[1:3] == size else x[:, : size[0], : size[1], :]


def downsample(x: Any, size: tuple[int, int]) -> Any:
    """Max pooling to `size`: along each axis the stride that gets there, and a window of one more."""
    strides = tuple((have - 1) // want + 1 for have, want in zip(x.shape[1:3], size, strict=True))
    return ops.max_pool(x, tuple(s + 1 for s in strides), strides, padding="same")


def resize(x: Any, size: tuple[int, int]) -> Any:
    """To a neighbouring level's size, finer or coarser."""
    height, width = x.shape[1:3]
    if (height, width) == size:
        return x
    return downsample(x, size) if height >= size[0] and width >= size[1] else upsample(x, size)


class Project(Composite):
    """A 1x1 convolution to the pyramid's width, and batch norm."""

    def __init__(self, filters: int, style: Style, name: str) -> None:
        super().__init__(name=name)
        self.conv = Conv2D(filters, 1, padding="same", name="conv2d")
        self.bn = style.batch_norm("bn")

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.bn(self.conv(x), training=training)


class Node(Composite):
    """Adds up its inputs with learned weights, then activation, 3x3 convolution, batch norm (no activation after).

    An input of another width than the pyramid's (the backbone's, in the first cell) has its own 1x1 convolution.
    `sources` are the inputs' (id in the cell, width).
    """

    def __init__(
        self,
        size: tuple[int, int],
        sources: Sequence[tuple[int, int]],
        node_id: int,
        filters: int,
        weight_method: str,
        style: Style,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.size = size
        self.filters = filters
        self.weight_method = weight_method
        self.style = style
        self.projections = [
            Project(filters, style, f"resample_{i}_{source}_{node_id}") if width != filters else None
            for i, (source, width) in enumerate(sources)
        ]
        self.after = Combine(filters, style, f"op_after_combine{node_id}")
        self.weights_of_inputs: list[Any] = []

    def build(self, input_shapes: Sequence[Any]) -> None:
        if self.weight_method != "sum":
            shape = (self.filters,) if self.weight_method.startswith("channel") else ()
            names = ["WSM", *(f"WSM_{i}" for i in range(1, len(input_shapes)))]
            self.weights_of_inputs = [self.add_weight(shape=shape, initializer="ones", name=name) for name in names]
        super().build(input_shapes)

    def fusion_weights(self) -> list[Any]:
        """The inputs' weights: fastattn relu(w) / (sum + 1e-4), attn their softmax."""
        if self.weight_method.endswith("fastattn"):
            weights = [ops.relu(weight) for weight in self.weights_of_inputs]
            total = reduce(ops.add, weights) + 1e-4
        else:
            largest = reduce(ops.maximum, self.weights_of_inputs)
            weights = [ops.exp(weight - largest) for weight in self.weights_of_inputs]
            total = reduce(ops.add, weights)
        return [weight / total for weight in weights]

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> Any:
        inputs = [
            x if project is None else project(x, training=training)
            for x, project in zip(inputs, self.projections, strict=True)
        ]
        if self.weight_method != "sum":
            # No weight is under 0, so weighing before max pooling is weighing after.
            inputs = [x * weight for x, weight in zip(inputs, self.fusion_weights(), strict=True)]
        fused = reduce(ops.add, [resize(x, self.size) for x in inputs])
        return self.after(self.style.activate(fused, training), training=training)


class Combine(Composite):
    """The convolution and batch norm after a node's sum."""

    def __init__(self, filters: int, style: Style, name: str) -> None:
        super().__init__(name=name)
        self.conv = style.conv3x3(filters, "conv", "glorot_uniform")
        self.bn = style.batch_norm("bn")

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.bn(self.conv(x), training=training)


class Cell(Part):
    """One pass over the pyramid, down and up. From one feature a level (finest first) to one a level."""

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        widths: Sequence[int],
        filters: int,
        weight_method: str,
        style: Style,
        name: str,
    ) -> None:
        super().__init__(style, name)
        self.wiring = cell_nodes(len(sizes))
        all_widths = [*widths, *(filters for _ in self.wiring)]
        self.nodes = [
            Node(
                sizes[level],
                [(source, all_widths[source]) for source in sources],
                len(sizes) + i,
                filters,
                weight_method,
                style,
                name=f"fnode{i}",
            )
            for i, (level, sources) in enumerate(self.wiring)
        ]

    def forward(self, inputs: Sequence[Any], training: bool | None) -> list[Any]:
        values = list(inputs)
        outputs = list(inputs)
        for (level, sources), node in zip(self.wiring, self.nodes, strict=True):
            outputs[level] = node([values[source] for source in sources], training=training)
            values.append(outputs[level])
        return outputs
