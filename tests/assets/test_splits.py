"""Every split has something to learn from or to find."""

import pyarrow as pa

from assets.splits import without_labels


def test_a_split_of_photographs_without_a_label_is_named() -> None:
    boxes = pa.table({"path": ["a", "a", "b", "c", "d"], "labelled": [True, True, False, True, False]})
    divided = pa.table({"path": ["a", "b", "c", "d"], "split": ["train", "val", "test", "train"]})
    assert without_labels(boxes, divided) == ["val"]
    all_labelled = boxes.set_column(1, "labelled", pa.array([True] * 5))
    assert without_labels(all_labelled, divided) == []
