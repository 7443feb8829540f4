"""Many small tensors as one matrix, so that one operation updates them all.

An EfficientDet has some 500 trainable variables, most of them tiny. An optimizer that goes through them one by one
makes tens of thousands of graph operations; through their packing it makes a few dozen, and about ten for each variable
to get it in and out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from plates.efficientdet.model.boxes import Tensor

LANES = 128


class Packing:
    """A matrix [rows, `LANES`] in which each tensor starts a row of its own; what is left of its last row is zero.

    Args:
        shapes: the tensors' shapes, fixed.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        rows = [-(-size // LANES) for size in self.sizes]
        self.paddings = [count * LANES - size for count, size in zip(rows, self.sizes, strict=True)]
        self.owners = np.repeat(np.arange(len(rows), dtype=np.int32), rows)
        self.shape = (len(self.owners), LANES)

    def pack(self, tensors: Sequence[Tensor]) -> Tensor:
        """float32 [rows, LANES] from one tensor for each shape."""
        zeros = {padding: ops.zeros((padding,)) for padding in set(self.paddings)}
        pieces = []
        for tensor, padding in zip(tensors, self.paddings, strict=True):
            pieces += [_shaped(ops.cast(tensor, "float32"), (-1,))]
            pieces += [zeros[padding]] if padding else []
        return ops.reshape(ops.concatenate(pieces), self.shape)

    def unpack(self, matrix: Tensor) -> list[Tensor]:
        """The tensors of a matrix [rows, LANES], in their shapes."""
        lengths = np.stack([self.sizes, self.paddings], axis=1).reshape(-1)
        pieces = ops.split(ops.reshape(matrix, (-1,)), np.cumsum(lengths)[:-1].tolist())
        return [_shaped(piece, shape) for piece, shape in zip(pieces[::2], self.shapes, strict=True)]

    def spread(self, values: Tensor) -> Tensor:
        """One number for each tensor [n] as a column [rows, 1] to multiply the matrix with."""
        return ops.take(values, self.owners)[:, None]

    def square_norms(self, matrix: Tensor) -> Tensor:
        """Sum of squares of each tensor [n]."""
        of_rows = ops.sum(ops.square(matrix), axis=1)
        return ops.segment_sum(of_rows, self.owners, num_segments=len(self.shapes))


def _shaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Most tensors have one dimension, packed or not: a graph without an operation for each is traced sooner."""
    return tensor if len(tensor.shape) == len(shape) == 1 else ops.reshape(tensor, shape)
