import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plates import card
from plates.card.page import set_aside
from plates.card.plots import coverage
from plates.ccpd.table import LABELS_SCHEMA
from plates.columns import SPLITS
from plates.pages.pictures import from_array
from plates.pages.sheets import contact_sheet, markdown
from plates.splits.shift import between_splits


def test_numbers_add_up(boxes):
    splits = pd.DataFrame({"path": boxes["path"], "split": ["train", "train", "test"]})
    rejected = boxes.iloc[:2].assign(broken=[["a", "b"], ["a"]])

    numbers = card.describe(boxes, rejected, splits)

    assert (numbers.images, numbers.boxes, numbers.negatives, numbers.rejected) == (3, 3, 0, 2)
    assert numbers.broken == {"a": 2, "b": 1}
    assert [(split.name, split.images) for split in numbers.splits] == [("train", 2), ("test", 1)]
    assert numbers.subsets == {"base": {"test": 1, "train": 2}}
    assert numbers.splits[1].typical["median width (px)"] == 102


def test_coverage_counts_the_boxes_over_each_cell():
    boxes = pd.DataFrame(
        {"xmin": [0, 5], "ymin": [0, 5], "xmax": [10, 10], "ymax": [10, 10], "width": [10, 10], "height": [10, 10]}
    )

    assert coverage(boxes, (2, 2)).tolist() == [[1, 1], [1, 2]]


def test_the_card_is_one_page_escaped_and_the_same_each_time(boxes, root, tmp_path):
    splits = pd.DataFrame({"path": boxes["path"], "split": SPLITS})
    rejected = boxes.iloc[:1].assign(broken=[["box_inside_image"]])
    pages = []
    for name in ("first.html", "second.html"):
        card.write(
            tmp_path / name,
            root=root,
            boxes=boxes,
            rejected=rejected,
            splits=splits,
            meanings={"box_inside_image": "the box lies inside the image"},
            findings=["<b>88% of plates are from 皖</b>"],
            between_splits=between_splits([(boxes, splits)]),
            augmented=[from_array(np.zeros((32, 20, 3), np.uint8), caption="flip")],
        )
        pages.append((tmp_path / name).read_text(encoding="utf-8"))

    assert pages[0] == pages[1]
    assert "&lt;b&gt;88% of plates are from 皖" in pages[0]
    assert "皖 Anhui" in pages[0]
    assert "province: one value" in pages[0]
    assert "against the last delivery" not in pages[0]
    assert all(f"{split}: 1 boxes" in pages[0] for split in SPLITS)
    assert "the box lies inside the image" in pages[0]
    assert pages[0].count("data:image/jpeg;base64,") == 3 + 1 + 1
    assert 'src="http' not in pages[0]


def test_an_unlabelled_delivery_has_a_card_too(boxes, root, tmp_path):
    empty = boxes.assign(**dict.fromkeys(LABELS_SCHEMA.names[7:])).astype({"class": "str", "plate": "str"})

    card.write(tmp_path / "card.html", root=root, boxes=empty, rejected=boxes.iloc[:0].assign(broken=None))

    assert "no plate" in (tmp_path / "card.html").read_text(encoding="utf-8")


def test_rejected_pictures_carry_their_reasons_and_unreadable_files_are_shown_as_such(boxes, root):
    (root / boxes["path"][1]).write_bytes(b"")
    rejected = boxes.iloc[:2].assign(broken=[["area_field_matches", "plate_complete"], ["image_decodes"]])

    pictures = set_aside(rejected, root)

    assert [picture.caption for picture in pictures] == ["area_field_matches, plate_complete", "image_decodes"]
    assert pictures[1].image.getpixel((2, 2)) == (24, 24, 27)
    assert contact_sheet(pictures).size[0] > pictures[0].image.width * 2


def shown(text: str) -> Image.Image:
    """The picture inside Markdown that the UI is given."""
    assert text.startswith("![pictures](data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(text.split("base64,")[1].rstrip(")"))))


def test_contact_sheets_for_the_ui_are_small_pictures_in_markdown(boxes, root):
    sheet = markdown(card.accepted(boxes, root))
    assert len(sheet) < 100_000
    assert shown(sheet).width <= 960
    assert markdown([]) == "none"

    paths = boxes["path"].tolist()
    pairs = pd.DataFrame({"photograph": [paths[2]], "looks like": [paths[0]], "bits": [3]})
    two = np.asarray(shown(card.side_by_side(pairs, root)).convert("RGB"))[100]
    assert two[100].tolist() == pytest.approx([120, 90, 120], abs=9)
    assert two[two.shape[0] // 2 + 100].tolist() == pytest.approx([0, 90, 120], abs=9)
