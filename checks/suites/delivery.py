"""What must be true of a delivery's images: readable, known, unique, and not fewer than last time."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from checks.suites.measures import SAME_OBJECT
from checks.suites.suite import between, critical, expectations, warning
from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH
from plates.photographs.decode import MOST_MEGAPIXELS

CONVERT = (
    "plates run --set data.convert=when_needed makes upright JPEGs of turned ones and of PNG, WebP, BMP, TIFF, GIF"
)


class Delivery(BaseModel):
    """The size of a delivery, before anything was set aside; `digest` says which it is (`checks.whole`)."""

    rows: int
    subsets: dict[str, int]
    digest: str = ""

    def table(self) -> pd.DataFrame:
        """The column `subset` of all rows."""
        numbers = np.repeat(np.arange(len(self.subsets)), list(self.subsets.values()))
        unknown = np.full(self.rows - len(numbers), -1)
        return pd.DataFrame(
            {"subset": pd.Categorical.from_codes(np.concatenate([numbers, unknown]), list(self.subsets))}
        )


def delivery(subsets: Collection[str], most_objects: int = 100) -> list[Any]:
    """The expectations on an image's identity. At most `most_objects` per image are found and scored."""
    gxe = expectations()
    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="subset",
            value_set=sorted(subsets),
            **warning("subset_known", "the subset is one of CCPD's"),
        ),
        gxe.ExpectColumnValuesToBeNull(
            column="problem", **critical("image_decodes", "the image decodes completely, from header to end")
        ),
        gxe.ExpectColumnValuesToBeNull(
            column="other_kind",
            **critical("image_is_jpeg", "the image is a JPEG", CONVERT),
        ),
        gxe.ExpectColumnValuesToBeNull(
            column="orientation",
            **critical(
                "image_upright",
                "the image is stored as it is seen, not turned by an EXIF orientation",
                CONVERT,
            ),
        ),
        gxe.ExpectColumnValuesToBeNull(
            column="other_size",
            **critical(
                "image_size_as_annotated",
                "the image has the width and height given in data.annotations",
                "write the files' width and height into data.annotations",
            ),
        ),
        between(
            "megapixels",
            critical("image_not_huge", f"the image has at most {MOST_MEGAPIXELS} megapixels"),
            high=MOST_MEGAPIXELS,
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="image_size",
            value_set=[f"{IMAGE_WIDTH}x{IMAGE_HEIGHT}"],
            **critical("image_size_as_labelled", "an image with a CCPD label is 720x1160"),
        ),
        between("copy", critical("image_once", "an image name occurs only once in its subset"), high=0),
        between(
            "labels_of_content",
            critical("content_has_one_label", "images of identical bytes carry the same label"),
            high=1,
        ),
        between(
            "repeat",
            critical(
                "annotation_once",
                f"no two annotations of a class in an image overlap almost wholly (IoU {SAME_OBJECT:g} or more)",
            ),
            high=0,
        ),
        between(
            "objects",
            warning(
                "objects_not_too_many",
                f"an image has at most {most_objects} annotations: no more are found (nms.max_output_size) or scored",
            ),
            high=most_objects,
        ),
    ]


def size(previous: Delivery) -> list[Any]:
    """The expectations on the number of rows and subsets, next to those of the last delivery (`Delivery.table`)."""
    gxe = expectations()
    return [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=previous.rows,
            **warning("rows_not_fewer", f"there are at least the {previous.rows:,} rows of the last delivery"),
        ),
        gxe.ExpectColumnDistinctValuesToContainSet(
            column="subset",
            value_set=sorted(previous.subsets),
            **warning("subsets_not_fewer", "every subset of the last delivery is there"),
        ),
    ]
