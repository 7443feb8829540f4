"""The label in one CCPD file name: reads it, writes it, and says what is wrong with one that cannot be read.

    025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15.jpg

Seven fields between `-`: area, tilt, box, corners, plate, brightness, blurriness. `plates.ccpd.table` reads whole
columns.
"""

import math
import re
from dataclasses import dataclass

from plates.ccpd.alphabet import alphabet_of, encode

FIELDS = ("area", "tilt", "box", "corners", "plate", "brightness", "blurriness")
PLATE_LENGTHS_READ = range(2, 11)  # any of these is read; whether a plate may have that length is a check's question

# One expression for each field, valid for RE2 and Python. No photograph needs more digits than these.
PATTERNS = {
    "area": r"\d{1,18}",
    "tilt": r"\d{1,3}_\d{1,3}",
    "box": r"\d{1,5}&\d{1,5}_\d{1,5}&\d{1,5}",
    "corners": r"\d{1,5}&\d{1,5}(?:_\d{1,5}&\d{1,5}){3}",
    "plate": rf"\d{{1,2}}(?:_\d{{1,2}}){{{PLATE_LENGTHS_READ[0] - 1},{PLATE_LENGTHS_READ[-1] - 1}}}",
    "brightness": r"\d{1,5}",
    "blurriness": r"\d{1,7}",
}
SUFFIX = r"\.(?i:jpe?g|png|bmp|gif|tiff?|webp)"  # of a picture that `data.convert` reads
NAME_PATTERN = "^" + "-".join(PATTERNS[field] for field in FIELDS) + SUFFIX + "$"

EXPECTED = {
    "area": "digits, the decimals of a fraction",
    "tilt": "two whole numbers of degrees, a_b",
    "box": "two points in pixels, x&y_x&y",
    "corners": "four points in pixels, x&y_x&y_x&y_x&y",
    "plate": f"{PLATE_LENGTHS_READ[0]} to {PLATE_LENGTHS_READ[-1]} indices joined by _",
    "brightness": "a whole number",
    "blurriness": "a whole number",
}


@dataclass(frozen=True)
class Label:
    """One label, in pixels of the photograph, y down.

    Attributes:
        area: of the plate over that of the photograph, 0 <= area < 1.
        tilt: degrees, horizontal and vertical.
        box: xmin, ymin, xmax, ymax.
        corners: eight numbers, x and y of right-bottom, left-bottom, left-top, right-top.
    """

    area: float
    tilt: tuple[int, int]
    box: tuple[int, int, int, int]
    corners: tuple[int, ...]
    plate: str
    brightness: int
    blurriness: int


def format_name(label: Label) -> str:
    """The file name for `label`, its area truncated to four decimals as in CCPD2019's lists.

    Raises:
        ValueError: a symbol of the plate is outside its alphabet.
    """
    points = [f"{x}&{y}" for x, y in zip(label.corners[::2], label.corners[1::2], strict=True)]
    xmin, ymin, xmax, ymax = label.box
    fields = [
        f"{math.floor(label.area * 10_000 + 1e-6):04d}",
        f"{label.tilt[0]}_{label.tilt[1]}",
        f"{xmin}&{ymin}_{xmax}&{ymax}",
        "_".join(points),
        "_".join(map(str, encode(label.plate))),
        str(label.brightness),
        str(label.blurriness),
    ]
    return "-".join(fields) + ".jpg"


def explain(name: str) -> tuple[str, str, str]:
    """Why the label in `name` cannot be read: the field at fault, what was found there, and the reason.

    Raises:
        ValueError: the name can be read.
    """
    stem, dot, suffix = name.rpartition(".")
    if not dot or not re.fullmatch(SUFFIX, dot + suffix):
        return "name", dot + suffix if dot else name, "the name does not end in .jpg or as another picture's"
    found = stem.split("-")
    if len(found) != len(FIELDS):
        return "name", str(len(found)), f"{len(FIELDS)} fields joined by - expected"
    for field, text in zip(FIELDS, found, strict=True):
        if not re.fullmatch(PATTERNS[field], text, re.ASCII):
            return field, text, f"{EXPECTED[field]} expected"
    for position, index in enumerate(found[FIELDS.index("plate")].split("_")):
        if int(index) >= len(alphabet_of(position)):
            last = len(alphabet_of(position)) - 1
            return "plate", index, f"character {position + 1} has an index in 0..{last}"
    raise ValueError(f"{name} holds a label")
