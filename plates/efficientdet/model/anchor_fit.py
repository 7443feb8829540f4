"""Anchors that fit the data: shapes by k-means, their number by the recall they reach.

Recall is that of the real grid: anchors sit on cell centres a stride apart, so a box between two of them overlaps
less than its shape alone says. NumPy only; 350,000 boxes take seconds, for it works on samples and says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plates.efficientdet.model import anchors
from plates.efficientdet.model.anchors import AnchorScale
from plates.efficientdet.model.family import Spec
from plates.errors import UserError

MATCH_IOU = 0.5
SAMPLE = 20_000
SEARCH_SAMPLE = 3_000
GRID_SAMPLE = 300
RECALL_SLACK = 0.005
IOU_SLACK = 0.03
ANCHOR_SCALES = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)


FAR = 0.2
"""Mean IoU of boxes with their best anchor under which anchors fit nothing, however they are assigned."""


@dataclass(frozen=True)
class Reach:
    """What anchors can do for boxes: share with an anchor of IoU 0.5 or more, and the mean of their best IoU."""

    recall: float
    mean_iou: float


@dataclass(frozen=True)
class AnchorFit:
    """Fitted anchors and what they reach; `to_json` is the content of anchors.json.

    Attributes:
        spec: the detector with these anchors.
        aspect_ratios: width/height, ascending.
        num_scales: as in `ModelConfig`, as is `anchor_scale`.
        best_possible_recall: share of boxes with an anchor of IoU 0.5 or more.
        mean_best_iou: mean over boxes of the IoU with their best anchor.
        positives_per_box: mean number of anchors with IoU 0.5 or more, on the real grid.
        anchors_per_cell: num_scales times the number of ratios.
        boxes: boxes given.
        sampled: boxes that recall was measured on, drawn with `seed`.
        tried: every number of ratios and scales with what it reaches; the chosen one has the fewest anchors of those
            within 0.005 of the best recall and 0.03 of the best mean IoU.
    """

    spec: Spec
    aspect_ratios: list[float]
    num_scales: int
    anchor_scale: float | list[float]
    best_possible_recall: float
    mean_best_iou: float
    positives_per_box: float
    anchors_per_cell: int
    boxes: int
    sampled: int
    seed: int
    tried: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The fit in JSON's types, with the input size and the levels in place of the spec."""
        fields = {name: value for name, value in vars(self).items() if name != "spec"}
        return {"image_size": list(self.spec.image_size), "levels": list(self.spec.levels), **fields}


def fit(
    boxes_wh: np.ndarray,
    spec: Spec,
    *,
    num_scales: int | None = None,
    anchor_scale: AnchorScale | None = None,
    max_ratios: int = 4,
    max_scales: int = 3,
    centres: np.ndarray | None = None,
    seed: int = 0,
) -> AnchorFit:
    """Chooses aspect ratios, and scales if they are open, for boxes of these sizes.

    Args:
        boxes_wh: [N, 2] (width, height) in pixels of the network's input.
        spec: its input size and levels are used, its own anchors are not.
        num_scales: held at this value if given, as `anchor_scale`.
        max_ratios: most aspect ratios that are tried.
        max_scales: most scales that are tried.
        centres: [N, 2] (x, y) of the boxes in the same pixels; None: anywhere in the image, at random.
        seed: of the samples and of the random places.

    Raises:
        UserError: no boxes, or sides that are not over 0.
    """
    boxes_wh = np.asarray(boxes_wh, np.float64).reshape(-1, 2)
    bad = int(np.sum(~(boxes_wh > 0).all(axis=1)))
    if not len(boxes_wh) or bad:
        raise UserError(
            f"anchors need boxes with sides over 0 px: {bad} of {len(boxes_wh)} have none; look at them: "
            "plates inspect data/boxes.parquet"
        )
    rng = np.random.default_rng(seed)
    sample = rng.choice(len(boxes_wh), min(SAMPLE, len(boxes_wh)), replace=False)
    sizes = boxes_wh[sample]
    places = _places(sizes, spec.image_size, rng) if centres is None else np.asarray(centres, np.float64)[sample]
    scale_counts = [num_scales] if num_scales else range(1, max_scales + 1)
    bases: Sequence[AnchorScale] = [anchor_scale] if anchor_scale is not None else ANCHOR_SCALES
    few = slice(0, SEARCH_SAMPLE)
    tried = []
    for count, scales in itertools.product(range(1, max_ratios + 1), scale_counts):
        ratios = fit_ratios(sizes, count)
        if len(ratios) < count:
            continue
        options = [(reach(sizes[few], places[few], spec.with_anchors(scales, ratios, base)), base) for base in bases]
        found, base = max(options, key=lambda option: (round(option[0].recall, 3), option[0].mean_iou))
        tried.append({"ratios": ratios, "num_scales": scales, "anchor_scale": base, **asdict(found)})
    best = _fewest(tried)
    chosen = spec.with_anchors(best["num_scales"], best["ratios"], best["anchor_scale"])
    final = reach(sizes, places, chosen)
    subset = slice(0, GRID_SAMPLE)
    return AnchorFit(
        spec=chosen,
        aspect_ratios=best["ratios"],
        num_scales=best["num_scales"],
        anchor_scale=_plain(best["anchor_scale"]),
        best_possible_recall=final.recall,
        mean_best_iou=final.mean_iou,
        positives_per_box=positives_per_box(sizes[subset], places[subset], chosen),
        anchors_per_cell=best["num_scales"] * len(best["ratios"]),
        boxes=len(boxes_wh),
        sampled=len(sizes),
        seed=seed,
        tried=[{**entry, "anchor_scale": _plain(entry["anchor_scale"])} for entry in tried],
    )


def fit_ratios(boxes_wh: np.ndarray, count: int) -> list[float]:
    """Up to `count` width/height ratios, ascending: the centres of `kmeans` on the boxes' shapes at equal area.

    Sizes are left to levels and octaves, which cover them evenly.
    """
    shapes = boxes_wh / np.sqrt(boxes_wh.prod(axis=1, keepdims=True))
    centres = kmeans(shapes, count)
    return sorted({round(float(width / height), 3) for width, height in centres})


def kmeans(boxes_wh: np.ndarray, count: int, iterations: int = 50) -> np.ndarray:
    """`count` typical (width, height) [count, 2] of boxes [N, 2]: k-means with 1 - IoU as the distance (YOLOv2).

    Boxes are compared corner to corner. Starts at quantiles of the ratio, and moves a centre to its boxes' median, so
    that it is deterministic and outliers do not pull.
    """
    order = np.argsort(boxes_wh[:, 0] / boxes_wh[:, 1], kind="stable")
    centres = boxes_wh[order[((np.arange(count) + 0.5) / count * len(order)).astype(int)]]
    for _ in range(iterations):
        overlap = np.minimum(boxes_wh[:, None], centres).prod(axis=2)
        union = boxes_wh.prod(axis=1)[:, None] + centres.prod(axis=1) - overlap
        nearest = np.argmax(overlap / union, axis=1)
        moved = np.stack(
            [np.median(boxes_wh[nearest == i], axis=0) if (nearest == i).any() else centres[i] for i in range(count)]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def reach(
    boxes_wh: np.ndarray,
    centres: np.ndarray,
    spec: Spec,
) -> Reach:
    """Recall and mean best IoU of the anchors of `spec` for boxes [N, 2] (width, height) at `centres` [N, 2] (x, y).

    Of each shape of each level only the anchor with the nearest centre can be the best, so no grid is laid out.
    """
    best = np.zeros(len(boxes_wh))
    for stride, cells, shapes in _shapes(spec):
        nearest = (np.clip(np.floor(centres / stride), 0, cells - 1) + 0.5) * stride
        shift = np.abs(centres - nearest)[:, None]
        sides = np.minimum(np.minimum(boxes_wh[:, None], shapes), (boxes_wh[:, None] + shapes) / 2 - shift)
        overlap = np.maximum(sides, 0).prod(axis=2)
        union = boxes_wh.prod(axis=1)[:, None] + shapes.prod(axis=1) - overlap
        best = np.maximum(best, (overlap / union).max(axis=1))
    return Reach(recall=float((best >= MATCH_IOU).mean()), mean_iou=float(best.mean()))


def positives_per_box(
    boxes_wh: np.ndarray,
    centres: np.ndarray,
    spec: Spec,
) -> float:
    """Mean number of anchors with IoU 0.5 or more, counted on the grid itself (arguments as in `reach`)."""
    yxyx = anchors.generate(spec)
    low, high = yxyx[:, [1, 0]], yxyx[:, [3, 2]]
    area = (high - low).prod(axis=1)
    count = 0
    for centre, size in zip(centres, boxes_wh, strict=True):
        sides = np.minimum(high, centre + size / 2) - np.maximum(low, centre - size / 2)
        overlap = np.maximum(sides, 0).prod(axis=1)
        count += int(np.sum(overlap >= MATCH_IOU * (area + size.prod() - overlap)))
    return count / len(boxes_wh)


def plot(found: AnchorFit, boxes_wh: np.ndarray, path: Path) -> None:
    """Writes a picture (by the suffix: PNG, SVG): boxes by width and height, each level's anchors over them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    axes.hexbin(*boxes_wh.T, xscale="log", yscale="log", gridsize=60, mincnt=1, cmap="Greys", bins="log")
    for level, (_, _, shapes) in zip(found.spec.levels, _shapes(found.spec), strict=True):
        axes.scatter(shapes[:, 0], shapes[:, 1], s=18, label=f"P{level}")
    axes.set(xlabel="width (px of network input)", ylabel="height (px of network input)")
    axes.set_title(
        f"{found.boxes:,} boxes and {found.anchors_per_cell} anchors a cell: recall "
        f"{found.best_possible_recall:.3f}, mean best IoU {found.mean_best_iou:.2f}"
    )
    axes.legend(title="anchors")
    figure.savefig(path)


def _shapes(
    spec: Spec,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each level its stride (x, y), its number of cells (x, y), and its anchors' (width, height) [K, 2]."""
    for level, scale in zip(spec.levels, spec.anchor_scale, strict=True):
        cells = np.array(spec.feature_size(level))
        stride = np.asarray(spec.image_size) / cells
        yx = anchors.sizes((stride[0], stride[1]), spec.num_scales, spec.aspect_ratios, scale)
        yield stride[::-1], cells[::-1], yx[:, ::-1]


def _places(boxes_wh: np.ndarray, image_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """[N, 2] (x, y) of centres, uniform among those that keep the box in the image."""
    room = np.maximum(np.asarray(image_size[::-1]) - boxes_wh, 0)
    return np.minimum(boxes_wh, image_size[::-1]) / 2 + room * rng.random(boxes_wh.shape)


def _fewest(tried: list[dict[str, Any]]) -> dict[str, Any]:
    recall = max(entry["recall"] for entry in tried) - RECALL_SLACK
    iou = max(entry["mean_iou"] for entry in tried) - IOU_SLACK
    enough = [entry for entry in tried if entry["recall"] >= recall and entry["mean_iou"] >= iou]
    if not enough:
        enough = [max(tried, key=lambda entry: entry["recall"])]
    return min(enough, key=lambda entry: (len(entry["ratios"]) * entry["num_scales"], -entry["mean_iou"]))


def _plain(scale: AnchorScale) -> float | list[float]:
    return [float(s) for s in scale] if isinstance(scale, Sequence) else float(scale)
