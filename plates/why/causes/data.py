"""Causes in photographs, labels and splits."""

from plates.why.content import PLAIN
from plates.why.evidence import Evidence
from plates.why.finding import DECISIVE, LIKELY, POSSIBLE, STRONG, Finding
from plates.why.placement import SURE

OFF_CORNERS = 0.06
"""Box sides: CCPD's own boxes are within 0.03 of their corners, by the median over a data set."""
PLACES = ("centre_x", "centre_y")
"""Columns of where plates are in the picture, which matters least to a detector."""
FEW = 50
REACHED = 0.8
"""Share of the boxes in the TFRecords that training counts, at least: photographs are drawn evenly."""
SEEN = 200
"""Photographs drawn, from which that share means something."""
MORE_NEGATIVES = 0.15
"""Share of photographs without a box that train has more than val and test, which splits by chance do not make."""
OUTRANKED = 0.97
"""mAP50 from which on what is detected elsewhere costs nothing: labelled plates rank above it."""
RARE = 0.7
"""Of an equal share: a class with fewer of the boxes is out of balance."""


def labels_off_the_plates(e: Evidence) -> Finding | None:
    """Boxes with nothing in them."""
    if e.detail is None or e.detail >= PLAIN:
        return None
    return Finding(
        "labels are not on the plates",
        DECISIVE if e.detail < 1.2 else STRONG,
        f"The labelled boxes have hardly more detail than their surroundings: {e.detail:.2f} times by the median, "
        "where plates have 2 or more. The detector is learning background.",
        "the labels: x and y swapped, from another picture, or in another scale",
        "plates inspect data/boxes.parquet --picture boxes.png",
        _loss_stays(e),
    )


def labels_beside_the_corners(e: Evidence) -> Finding | None:
    """Boxes that are not on their own corners."""
    beside = e.beside_corners
    if beside is None or beside.off < OFF_CORNERS:
        return None
    return Finding(
        "boxes are shifted",
        min(DECISIVE, LIKELY + beside.off),
        f"The boxes' centres are {beside.off:.0%} of a side away from those of the corners (median; x {beside.x:+.2f}, "
        f"y {beside.y:+.2f}): boxes are drawn beside the plates, which lowers mAP75 first.",
        "data.box_from: corners, or the labels",
        "plates inspect data/boxes.parquet --picture boxes.png",
    )


def unlabelled_plates(e: Evidence) -> Finding | None:
    """Confident detections without a label that cost mAP50, or far more photographs without a box in train."""
    splits, placed = e.manifest.get("splits", {}), e.placed
    without = {split: found["negatives"] / max(found["images"], 1) for split, found in splits.items()}
    negatives = without.get("train", 0.0)
    more = negatives - max((share for split, share in without.items() if split != "train"), default=1.0)
    sure = placed is not None and (placed.top_score or 0.0) >= SURE and placed.found >= 0.5
    costly = e.metrics.get("mAP50", 0.0) < OUTRANKED
    elsewhere = placed.confident_elsewhere if placed and sure and costly else 0.0
    if elsewhere < 0.08 and more < MORE_NEGATIVES:
        return None
    said = []
    if placed and elsewhere >= 0.08:
        said.append(
            f"{elsewhere:.0%} of the confident detections touch no label, while {placed.found:.0%} of the labels are "
            "found: the photographs show unlabelled plates, or something that looks like plates."
        )
    if more >= MORE_NEGATIVES:
        said.append(
            f"{negatives:.0%} of the training photographs have no box, {more:.0%} more than in any other split: "
            "unlabelled plates teach that plates are background."
        )
    return Finding(
        "plates without a label",
        min(STRONG, LIKELY + max(elsewhere, more)),
        said[0],
        "the labels, or more photographs without a plate",
        "the galleries in reports/evaluation.html",
        said[1:] or ([f"{negatives:.0%} of the training photographs have no box"] if negatives > 0.05 else []),
    )


def labels_lost(e: Evidence) -> Finding | None:
    """Boxes of the TFRecords that training neither learned nor counted as lost to augmentation or outside of a crop."""
    train = e.manifest.get("splits", {}).get("train")
    drawn = len(e.history) * e.params["train.batch_size"]
    if not train or not train["boxes"] or drawn < SEEN or e.params["train.balanced_sampling"] or not e.detects:
        return None
    counts = e.history.reindex(columns=["boxes", "ignored", "dropped", "outside"]).sum(axis=1)
    counted = float((counts - e.history.get("pasted", 0.0)).mean())
    share = counted / (train["boxes"] / train["images"])
    if share >= REACHED:
        return None
    return Finding(
        "labels do not reach training",
        min(DECISIVE, STRONG + 0.2 * (1 - share)),
        f"Training counted {counted:.2f} boxes a photograph, where the TFRecords have "
        f"{train['boxes'] / train['images']:.2f}: {1 - share:.0%} of the labels are lost between the two. Ids start "
        "at 1: an id of 0 is no box.",
        "the ids of the classes, or the code that reads the TFRecords",
        "plates inspect data/tfrecords",
    )


def shifted_splits(e: Evidence) -> Finding | None:
    """Validation or test that is not like training."""
    shifts = e.shifts[e.shifts["column"] != "province"] if len(e.shifts) else e.shifts
    if shifts.empty:
        return None
    moved = shifts["column"].isin(PLACES)
    row = (shifts if moved.all() else shifts[~moved]).sort_values("psi").iloc[-1]
    others = [f"{other.split}: {other.column} {other.baseline} -> {other.current}" for other in shifts.itertuples()]
    return Finding(
        "shifted split",
        LIKELY if moved.all() else min(STRONG, LIKELY + 0.1 * float(row["psi"])),
        f"{row['split']} is not like train: {row['column']} is {row['current']} there and {row['baseline']} in train "
        f"(PSI {row['psi']:.2f}). The score is on photographs unlike those of training.",
        "split.seed, or the delivery",
        "plates inspect data/splits.parquet",
        others[:5],
        ["a convolution finds a plate wherever it is in the picture"] if moved.all() else [],
    )


def leaked_split(e: Evidence) -> Finding | None:
    """The same plates in training and in what is scored."""
    shared, plates = e.metrics.get("plates_in_train_too", 0), max(e.metrics.get("boxes") or 0, 1)
    if not shared:
        return None
    return Finding(
        "leaked split",
        STRONG if shared > 0.05 * plates else POSSIBLE,
        f"{shared:,} of the scored plates are in train too ({shared / plates:.0%}): the score is higher than on unseen "
        "plates, and falls once the leak is fixed.",
        "split.method: plate",
        "the check nothing_in_two_splits",
    )


def duplicates(e: Evidence) -> Finding | None:
    """Many copies of few photographs."""
    copies, photographs = e.copies
    if not copies or copies < 0.1 * photographs:
        return None
    return Finding(
        "duplicate photographs",
        min(DECISIVE, LIKELY + 0.4 * copies / photographs),
        f"{copies:,} of {photographs:,} training photographs are copies of others ({copies / photographs:.0%}): an "
        f"epoch shows only {photographs - copies:,} different pictures.",
        "the delivery: remove copies",
        "plates inspect data/raw_images.parquet",
    )


def few_photographs(e: Evidence) -> Finding | None:
    """Too few plates to learn from."""
    train = e.manifest.get("splits", {}).get("train")
    if not train or train["boxes"] >= FEW:
        return None
    random = e.params["model.pretrained"] == "none"
    return Finding(
        "few labelled plates",
        STRONG if random else POSSIBLE,
        f"Train has {train['boxes']:,} boxes in {train['images']:,} photographs: "
        + ("too few to learn from random weights." if random else "few even for pretrained weights."),
        "more labelled photographs, or model.pretrained" if random else "more labelled photographs",
        "plates inspect data/splits.parquet",
    )


def class_without_boxes(e: Evidence) -> Finding | None:
    """A class that training never saw."""
    seen = e.manifest.get("class_counts", {}).get("train")
    if seen is None or len(e.label_map) < 2:
        return None
    scored = {name for name, value in (e.metrics.get("per_class") or {}).items() if value is not None}
    absent = [name for name in e.label_map.values() if name in scored and not seen.get(name)]
    if not absent:
        return None
    return Finding(
        "a class is absent",
        STRONG,
        f"{', '.join(absent)}: no box in train. mAP is the mean over {len(scored)} classes, so each of these costs "
        f"{1 / len(scored):.2f}.",
        "data.class_by, or photographs of that class",
        "plates inspect data/boxes.parquet",
        [f"{name}: mAP {value:.3f}" for name, value in e.metrics.get("per_class", {}).items() if name in absent],
    )


def unbalanced_classes(e: Evidence) -> Finding | None:
    """A class that falls behind the others."""
    scores = {name: value for name, value in (e.metrics.get("per_class") or {}).items() if value is not None}
    if len(scores) < 2 or max(scores.values()) - min(scores.values()) < 0.15:
        return None
    worst = min(scores, key=lambda name: scores[name])
    counts = e.manifest.get("class_counts", {}).get("train", {})
    total = max(sum(counts.values()), 1)
    if counts.get(worst, 0) / total > RARE / len(scores):
        return None
    weights = e.params.get("train.class_weights")
    return Finding(
        "classes out of balance",
        LIKELY,
        f"{worst} has mAP {scores[worst]:.3f}, the best class {max(scores.values()):.3f}; "
        f"{counts.get(worst, 0) / total:.1%} of the training boxes are of this class.",
        "train.class_weights, train.balanced_sampling",
        "the confusion in reports/evaluation.html",
        [f"train.class_weights is {weights}"],
    )


def _loss_stays(e: Evidence) -> list[str]:
    if len(e.history) < 20:
        return []
    first, last = e.history["box"].head(10).median(), e.history["box"].tail(10).median()
    return [f"the box loss went from {first:.3g} to {last:.3g}"] if last > 0.5 * first else []
