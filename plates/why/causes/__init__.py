"""The causes by name: each a function from evidence to a `Finding` or None, in order from label to figure.

Here: what is looked for in the evidence and how much it weighs. Not here: reading evidence (`plates.why.evidence`).
"""

from collections.abc import Callable

from plates.why.causes import change, data, scoring, training
from plates.why.evidence import Evidence
from plates.why.finding import Finding

CAUSES: tuple[Callable[[Evidence], Finding | None], ...] = (
    data.labels_off_the_plates,
    data.labels_beside_the_corners,
    data.unlabelled_plates,
    data.labels_lost,
    data.shifted_splits,
    data.leaked_split,
    data.duplicates,
    data.few_photographs,
    data.class_without_boxes,
    data.unbalanced_classes,
    training.learning_rate,
    training.batch_norm,
    training.frozen,
    training.pretrained,
    training.other_heads,
    training.class_head,
    training.drowned_term,
    training.augmentation,
    training.anchors,
    training.pixel_statistics,
    training.overfitting,
    training.too_few_steps,
    scoring.threshold,
    scoring.class_ids,
    scoring.swapped_axes,
    scoring.scaled_boxes,
    scoring.steady_offset,
    scoring.another_inference,
    scoring.validation_alone,
    scoring.stale_checkpoint,
    scoring.export,
    scoring.crowded,
    change.fell_since,
)
