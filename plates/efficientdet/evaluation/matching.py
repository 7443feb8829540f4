"""Which detections are correct, at every IoU threshold and size range: all figures are counted from this.

Matching is COCO's (pycocotools' `COCOeval.evaluateImg`): in each photograph and class, detections in the order of their
scores each take the free box that they overlap most, if the IoU reaches the threshold. A detection that overlaps a
crowd, or a box outside the size range, counts neither for nor against; nor does one that overlaps nothing and is itself
outside the range.

hotcoco does the same in Rust, but returns outcomes only by building Python lists of all of them (30 s per million
detections). Here a detection takes 25 bytes, so that 14 million fit in memory while slices and intervals recount them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from plates.columns import BOX
from plates.errors import UserError

IOUS = np.linspace(0.5, 0.95, 10)
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of COCO, of the area of a box in square pixels of the original image; both ends are inside."""

NONE = pd.DataFrame(columns=["image_id", "class", "score", *BOX]).astype(
    {"image_id": "int64", "class": "int32", **dict.fromkeys(["score", *BOX], "float32")}
)


@dataclass(frozen=True)
class Matched:
    """The detections of one class, of the highest score first, and how many boxes there are.

    Attributes:
        places: int32 [D], of their photographs in `Matches.photographs`.
        scores: [D], of the type they came in.
        ranks: uint16 [D], place among the detections of the same photograph and class.
        hits: uint16 [S, D], for each of `SIZES`, or the first alone; bit i says that the detection has a box at
            `IOUS[i]`.
        ignored: uint16 [S, D]; bit i says that it does not count at `IOUS[i]`.
        boxes: int32 [S, P], boxes to find in each photograph.
    """

    places: np.ndarray
    scores: np.ndarray
    ranks: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    boxes: np.ndarray

    def only(self, keep: np.ndarray) -> Matched:
        """What is on the photographs that `keep` (bool [P]) names, in all sizes together."""
        rows = np.flatnonzero(keep[self.places])
        return Matched(
            self.places[rows],
            self.scores[rows],
            self.ranks[rows],
            self.hits[0][rows][None],
            self.ignored[0][rows][None],
            self.boxes[:1] * keep,
        )


@dataclass(frozen=True)
class Matches:
    """`photographs`: int64 [P], their ids in ascending order. `classes`: by name, in the order of the label map."""

    photographs: np.ndarray
    classes: dict[str, Matched]

    def only(self, keep: np.ndarray) -> Matches:
        """What is on the photographs that `keep` (bool [P]) names, in all sizes together (no other is kept).

        The other photographs stay in the list, with nothing on them.
        """
        return Matches(self.photographs, {name: matched.only(keep) for name, matched in self.classes.items()})


def match(
    detections: Iterable[pd.DataFrame], truth: pd.DataFrame, label_map: Mapping[int, str], max_detections: int = 100
) -> Matches:
    """Matches detections with the boxes of `truth`, in pixels of the original image.

    Args:
        detections: tables that each hold all detections of some photographs: image_id, class (an id of `label_map`),
            score and the box.
        truth: image_id, class (a name or id of `label_map`; null for a photograph without a box), the box, and
            optionally iscrowd.
        label_map: id to name.
        max_detections: of each photograph and class so many count, those of the highest scores.

    Raises:
        UserError: a class that the label map lacks, or detections on photographs that `truth` lacks.
    """
    photographs = np.unique(truth["image_id"].to_numpy())
    boxes = truth[truth["class"].notna()]
    boxes = boxes.assign(
        number=class_ids(boxes["class"], label_map),
        iscrowd=boxes["iscrowd"].to_numpy(bool) if "iscrowd" in boxes else False,
    ).sort_values("image_id", kind="stable")
    real = {number: _Real.of(boxes[boxes["number"] == number], photographs) for number in label_map}
    parts: dict[int, list[tuple[np.ndarray, ...]]] = {number: [] for number in label_map}
    for table in chain([NONE], detections):
        strangers = ~np.isin(table["image_id"].to_numpy(), photographs)
        if strangers.any():
            ids = table["image_id"].to_numpy()[strangers]
            raise UserError(
                f"{len(np.unique(ids))} images with detections are not in the ground truth (such as {ids.min()}): "
                "the detections belong to other data. Detect again: `plates materialize evaluation`."
            )
        ids = class_ids(table["class"], label_map)
        for number in label_map:
            parts[number].append(_match(table[ids == number], photographs, real[number], max_detections))
    return Matches(
        photographs,
        {name: _ranked(parts.pop(number), real[number], len(photographs)) for number, name in label_map.items()},
    )


@dataclass(frozen=True)
class _Real:
    """The boxes of one class, photograph by photograph: those of place p are from `first[p]`, `count[p]` of them."""

    first: np.ndarray
    count: np.ndarray
    places: np.ndarray
    sides: np.ndarray  # float64 [B, 4], left, top, width, height
    crowd: np.ndarray
    outside: np.ndarray  # bool [S, B], not to be found in that range of sizes

    @classmethod
    def of(cls, boxes: pd.DataFrame, photographs: np.ndarray) -> _Real:
        places = np.searchsorted(photographs, boxes["image_id"].to_numpy())
        count = np.bincount(places, minlength=len(photographs))
        sides, crowd = corner_and_size(boxes), boxes["iscrowd"].to_numpy(bool)
        return cls(np.cumsum(count) - count, count, places, sides, crowd, _outside(sides) | crowd)


def _match(found: pd.DataFrame, photographs: np.ndarray, real: _Real, max_detections: int) -> tuple[np.ndarray, ...]:
    """Of `Matched`, photograph by photograph: `places`, `scores`, `ranks`, and the rest in a tenth of the memory.

    That is uint8 [D], bit s of which says that the detection is outside of range s of sizes; int32 [T], which of them
    overlap a box; and the `hits` and `ignored` [S, T] of these.
    """
    places = np.searchsorted(photographs, found["image_id"].to_numpy()).astype(np.int32)
    scores = found["score"].to_numpy()
    order = np.lexsort((-scores, places))
    places = places[order]
    begins = np.flatnonzero(np.diff(places, prepend=-1))
    ranks = np.arange(len(places)) - np.repeat(begins, np.diff(begins, append=len(places)))
    counted = ranks < max_detections
    order, places, ranks = order[counted], places[counted], ranks[counted].astype(np.uint16)
    sides = corner_and_size(found)[order]

    count = real.count[places]
    detection = np.repeat(np.arange(len(places)), count)
    box = np.arange(len(detection)) + np.repeat(real.first[places] - (np.cumsum(count) - count), count)
    iou = _iou(sides[detection], real.sides[box], real.crowd[box])
    near = iou >= IOUS[0]
    detection, box, iou = detection[near], box[near], iou[near]
    hits = np.zeros((len(SIZES), len(places)), np.uint16)
    ignored = np.zeros_like(hits)
    for size, outside in enumerate(real.outside):
        for at, took, of in _take(detection, box, iou, places, outside, real.crowd):
            bits = (1 << at).astype(np.uint16)
            np.bitwise_or.at(hits[size], took[~outside[of]], bits[~outside[of]])
            np.bitwise_or.at(ignored[size], took[outside[of]], bits[outside[of]])
    outside = np.packbits(_outside(sides), axis=0, bitorder="little")[0]
    told = np.flatnonzero((hits | ignored).any(axis=0)).astype(np.int32)
    return places, scores[order], ranks, outside, told, hits[:, told], ignored[:, told]


def _take(
    detection: np.ndarray,
    box: np.ndarray,
    iou: np.ndarray,
    places: np.ndarray,
    outside: np.ndarray,
    crowd: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Who takes which box, from the pairs that overlap: places in `IOUS`, detections, boxes.

    Each round gives every photograph, at every threshold, its next taker: the first detection that has a free box takes
    the one that it overlaps most, one to be found before one to be ignored. A crowd stays free.
    """
    order = np.lexsort((-box, -iou, outside[box], detection))
    at, pair = np.nonzero(iou[order] >= IOUS[:, None])
    detection, box = detection[order][pair], box[order][pair]
    while len(at):
        photograph = at * np.int64(len(places)) + places[detection]
        next_one = np.diff(photograph, prepend=-1) != 0
        yield at[next_one], detection[next_one], box[next_one]
        busy = np.zeros((len(IOUS), len(places)), bool)
        gone = np.zeros((len(IOUS), len(outside)), bool)
        busy[at[next_one], detection[next_one]] = True
        gone[at[next_one], box[next_one]] = ~crowd[box[next_one]]
        free = ~(busy[at, detection] | gone[at, box])
        at, detection, box = at[free], detection[free], box[free]


def _ranked(parts: list[tuple[np.ndarray, ...]], real: _Real, photographs: int) -> Matched:
    """All detections of a class, in the order that pycocotools counts them: by score, then by photograph."""
    places, scores, ranks, outside, told, hits, ignored = (list(column) for column in zip(*parts, strict=True))
    parts.clear()
    begins = np.cumsum([0, *(len(part) for part in places[:-1])])
    told_at = np.concatenate([begin + part for begin, part in zip(begins, told, strict=True)])
    places[:], scores[:] = [np.concatenate(places)], [np.concatenate(scores)]
    order = np.lexsort((places[0], -scores[0])).astype(np.int32)
    boxes = np.stack([np.bincount(real.places[~out], minlength=photographs) for out in real.outside])
    place, score, rank, out_of = (_in(order, column) for column in (places, scores, ranks, outside))
    at = np.empty_like(order)
    at[order] = np.arange(len(order), dtype=np.int32)
    at = at[told_at]
    every = np.uint16((1 << len(IOUS)) - 1)
    found, aside = (np.zeros((len(SIZES), len(order)), np.uint16) for _ in range(2))
    for size in range(len(SIZES)):
        found[size, at] = np.concatenate([part[size] for part in hits])
        aside[size, at] = np.concatenate([part[size] for part in ignored])
        aside[size] |= ((out_of >> size) & 1).astype(bool) * (every & ~found[size])
    return Matched(place, score, rank, found, aside, boxes.astype(np.int32))


def _in(order: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """The parts of a column in their order; the list is emptied, so that one column at a time is in memory twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole[order]


def class_ids(classes: pd.Series, label_map: Mapping[int, str]) -> np.ndarray:
    ids = {name: key for key, name in label_map.items()} | {key: key for key in label_map}
    present = classes.unique()
    unknown = sorted(str(value) for value in present if value not in ids)
    if unknown:
        raise UserError(
            f"Classes {', '.join(unknown)} are not in the label map {dict(label_map)}: set `model.label_map`."
        )
    return classes.map({value: ids[value] for value in present}).to_numpy(np.int64)


def corner_and_size(table: pd.DataFrame) -> np.ndarray:
    corners = table[BOX].to_numpy(np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _outside(sides: np.ndarray) -> np.ndarray:
    """Whether [S, N] boxes are of another size than each range of `SIZES`."""
    area = sides[:, 2] * sides[:, 3]
    return np.stack([(area < low) | (area > high) for low, high in SIZES.values()])


def _iou(first: np.ndarray, second: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU [N] of boxes [N, 4] pairwise, as pycocotools computes it; of a crowd the share of `first` inside it."""
    overlap = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    overlap = (overlap - np.maximum(first[:, :2], second[:, :2])).clip(0)
    shared = overlap[:, 0] * overlap[:, 1]
    area = first[:, 2] * first[:, 3]
    union = np.where(crowd, area, area + second[:, 2] * second[:, 3] - shared)
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)
