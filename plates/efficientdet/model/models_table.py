"""The family in a table: parameters and multiply-adds counted from the tables, without building anything.

Multiply-adds are those of all convolutions for one picture, which is how the papers count "FLOPs". Batch norm (folded
into convolutions when exported), activations, pooling, resizing and the sums of BiFPN are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model.backbone_tables import Stage, backbone_table
from plates.efficientdet.model.bifpn import cell_nodes
from plates.efficientdet.model.family import VARIANTS, Spec, resolve

Size = tuple[int, int]


@dataclass
class Count:
    """Parameters (of which `fixed` are moving statistics, not trained) and multiply-adds."""

    parameters: int = 0
    fixed: int = 0
    multiply_adds: int = 0

    def conv(self, size: Size, wide: int, filters: int, kernel: int = 1, *, bias: bool = False) -> None:
        weights = kernel * kernel * wide * filters
        self.parameters += weights + filters * bias
        self.multiply_adds += weights * size[0] * size[1]

    def depthwise(self, size: Size, filters: int, kernel: int) -> None:
        self.conv(size, 1, filters, kernel)

    def batch_norm(self, filters: int, times: int = 1) -> None:
        self.parameters += 4 * filters * times
        self.fixed += 2 * filters * times

    def conv3x3(self, sizes: list[Size], wide: int, filters: int, *, separable: bool) -> None:
        """One with bias; its weights are shared over `sizes`."""
        weights = 9 * wide + wide * filters if separable else 9 * wide * filters
        self.parameters += weights + filters
        self.multiply_adds += weights * sum(height * width for height, width in sizes)


def count(spec: Spec) -> Count:
    """The counts of the network that `network.build` builds from `spec`, with the detection heads."""
    total = Count()
    widths = _backbone(total, spec)
    filters = spec.fpn_num_filters
    sizes = [spec.feature_size(level) for level in spec.levels]
    inputs = [widths[level] for level in spec.levels if level in widths]
    while len(inputs) < len(sizes):
        if inputs[-1] != filters:
            _project(total, spec.feature_size(max(widths)), inputs[-1], filters)
        inputs.append(filters)
    for cell in range(spec.fpn_cell_repeats):
        _cell(total, spec, sizes, inputs if cell == 0 else [filters] * len(sizes))
    for values in (spec.num_classes, 4):
        for _ in range(spec.box_class_repeats):
            total.conv3x3(sizes, filters, filters, separable=spec.separable_conv)
            total.batch_norm(filters, len(sizes))
        total.conv3x3(sizes, filters, spec.num_anchors * values, separable=spec.separable_conv)
    return total


def _backbone(total: Count, spec: Spec) -> dict[int, int]:
    """Counts the backbone; the width of its feature at each level."""
    table = backbone_table(spec.backbone)
    level, wide = 1, table.stem
    total.conv(spec.feature_size(level), 3, wide, 3)
    total.batch_norm(wide)
    widths: dict[int, int] = {}
    for stage in table.stages:
        for repeat in range(stage.repeats):
            before = spec.feature_size(level)
            level += repeat == 0 and stage.stride == 2
            _block(total, stage, wide, before, spec.feature_size(level))
            wide = widths[level] = stage.filters
    return widths


def _block(total: Count, stage: Stage, wide: int, before: Size, after: Size) -> None:
    expanded = wide * stage.expand
    single = stage.fused and stage.expand == 1
    if stage.expand != 1:
        total.conv(after if stage.fused else before, wide, expanded, stage.kernel if stage.fused else 1)
        total.batch_norm(expanded)
    if not stage.fused:
        total.depthwise(after, expanded, stage.kernel)
        total.batch_norm(expanded)
    if stage.se_ratio:
        reduced = max(1, int(wide * stage.se_ratio))
        total.conv((1, 1), expanded, reduced, bias=True)
        total.conv((1, 1), reduced, expanded, bias=True)
    total.conv(after, expanded, stage.filters, stage.kernel if single else 1)
    total.batch_norm(stage.filters)


def _project(total: Count, size: Size, wide: int, filters: int) -> None:
    total.conv(size, wide, filters, bias=True)
    total.batch_norm(filters)


def _cell(total: Count, spec: Spec, sizes: list[Size], widths: list[int]) -> None:
    filters = spec.fpn_num_filters
    all_sizes, all_widths = list(sizes), list(widths)
    for level, sources in cell_nodes(len(sizes)):
        for source in sources:
            if all_widths[source] != filters:
                _project(total, all_sizes[source], all_widths[source], filters)
        if spec.fpn_weight_method != "sum":
            total.parameters += len(sources) * (filters if spec.fpn_weight_method.startswith("channel") else 1)
        total.conv3x3([sizes[level]], filters, filters, separable=spec.separable_conv)
        total.batch_norm(filters)
        all_sizes.append(sizes[level])
        all_widths.append(filters)


def rows(num_classes: int = 90) -> Iterator[dict[str, Any]]:
    """A row for each variant, with its own input size; parameters at `num_classes` (COCO's 90)."""
    for name in VARIANTS:
        spec = resolve(ModelConfig(name=name, num_classes=num_classes))
        counted = count(spec)
        height, width = spec.image_size
        cells = sum(h * w for h, w in map(spec.feature_size, spec.levels))
        yield {
            "name": name,
            "backbone": spec.backbone,
            "input WxH": f"{width}x{height}",
            "params": f"{(counted.parameters - counted.fixed) / 1e6:.1f}M",
            "FLOPs": f"{counted.multiply_adds / 1e9:.2f}B",
            "levels": f"P{spec.min_level}-P{spec.max_level}",
            "anchors": cells * spec.num_anchors,
        }
