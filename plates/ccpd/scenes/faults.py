"""Every kind of bad annotation or file that a sample can contain, to test that the checks find it.

A fault is in the label, in the file name that holds it, or in the bytes. Only `duplicate_content` needs a second
scene: `plates.ccpd.scenes` writes one photograph under two labels.
"""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from plates.ccpd.alphabet import NO_CHARACTER
from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH
from plates.ccpd.label import Label

DUPLICATE = "duplicate_content"


def box_outside_image(label: Label) -> Label:
    """The box reaches 60 pixels past the right edge of the photograph."""
    left, top, _, bottom = label.box
    return _with_box(label, (left, top, IMAGE_WIDTH + 60, bottom))


def box_swapped(label: Label) -> Label:
    """The top left and bottom right of the box are swapped."""
    left, top, right, bottom = label.box
    return replace(label, box=(right, bottom, left, top))


def box_degenerate(label: Label) -> Label:
    """The box has no width."""
    left, top, _, bottom = label.box
    return _with_box(label, (left, top, left, bottom))


def box_off_corners(label: Label) -> Label:
    """The box has the right size in the wrong place: no pixel of it is in the corners' hull."""
    left, top, right, bottom = label.box
    height = bottom - top
    moved = bottom + 10 if bottom + 10 + height <= IMAGE_HEIGHT else top - 10 - height
    return replace(label, box=(left, moved, right, moved + height))


def corners_reordered(label: Label) -> Label:
    """The corners start at the top left instead of the bottom right."""
    return replace(label, corners=label.corners[4:] + label.corners[:4])


def area_wrong(label: Label) -> Label:
    """The area field is a third of the box's."""
    return replace(label, area=label.area / 3)


def tilt_wrong(label: Label) -> Label:
    """The horizontal tilt is 45 degrees off."""
    return replace(label, tilt=(label.tilt[0] + 45, label.tilt[1]))


def plate_short(label: Label) -> Label:
    """The plate has six characters."""
    return replace(label, plate=label.plate[:6])


def plate_no_character(label: Label) -> Label:
    """The symbol for 'no character' is inside the plate."""
    return replace(label, plate=label.plate[:3] + NO_CHARACTER + label.plate[4:])


def few_fields(name: str) -> str:
    """The name lacks its last two fields."""
    return "-".join(name.split("-")[:5]) + ".jpg"


def not_a_number(name: str) -> str:
    """A coordinate of the box is not a number."""
    fields = name.split("-")
    fields[2] = "left&" + fields[2].split("&", 1)[1]
    return "-".join(fields)


def index_outside_alphabet(name: str) -> str:
    """The last character's index is past the end of its alphabet."""
    fields = name.split("-")
    fields[4] = fields[4].rsplit("_", 1)[0] + "_99"
    return "-".join(fields)


def nine_characters(name: str) -> str:
    """The plate has nine characters or, on a green one, ten."""
    fields = name.split("-")
    fields[4] += "_24_25"
    return "-".join(fields)


def zero_bytes(jpeg: bytes) -> bytes:
    """The file is empty."""
    return jpeg[:0]


def truncated_jpeg(jpeg: bytes) -> bytes:
    """The file ends in the middle of the picture."""
    return jpeg[: len(jpeg) // 2]


def not_a_jpeg(jpeg: bytes) -> bytes:
    """The file is the page that a web server sends instead of a picture."""
    return b"<!DOCTYPE html><html><body>404 Not Found " + str(len(jpeg)).encode() + b"</body></html>\n"


def wrong_size(jpeg: bytes) -> bytes:
    """The picture is half as large as the label's coordinates imply."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).reduce(2).save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _with_box(label: Label, box: tuple[int, int, int, int]) -> Label:
    area = max(0, box[2] - box[0]) * max(0, box[3] - box[1]) / (IMAGE_WIDTH * IMAGE_HEIGHT)
    return replace(label, box=box, area=area)


LABEL_FAULTS: dict[str, Callable[[Label], Label]] = {
    fault.__name__: fault
    for fault in (
        box_outside_image,
        box_swapped,
        box_degenerate,
        box_off_corners,
        corners_reordered,
        area_wrong,
        tilt_wrong,
        plate_short,
        plate_no_character,
    )
}
NAME_FAULTS: dict[str, Callable[[str], str]] = {
    fault.__name__: fault for fault in (few_fields, not_a_number, index_outside_alphabet, nine_characters)
}
FILE_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    fault.__name__: fault for fault in (zero_bytes, truncated_jpeg, not_a_jpeg, wrong_size)
}
KINDS = (*LABEL_FAULTS, *NAME_FAULTS, *FILE_FAULTS, DUPLICATE)


def assign(candidates: list[int], count: int, shares: dict[str, float], seed: int) -> dict[int, str]:
    """Which scenes get which fault: `round(share * count)` scenes of each kind, at most one fault per scene.

    `candidates` are the scenes that have a label to spoil. A duplicate uses two scenes for each one written twice.
    Raises `ValueError` for an unknown kind, or if the shares need more scenes than there are.
    """
    unknown = sorted(set(shares) - set(KINDS))
    if unknown:
        raise ValueError(f"no such kind of bad annotation: {', '.join(unknown)}; the kinds are {', '.join(KINDS)}")
    wanted = [kind for kind in KINDS for _ in range(round(shares.get(kind, 0.0) * count) * (1 + (kind == DUPLICATE)))]
    if len(wanted) > len(candidates):
        raise ValueError(f"{len(wanted)} bad annotations asked for, but only {len(candidates)} scenes have a label")
    order = np.random.default_rng([seed, 3]).permutation(candidates)[: len(wanted)]
    return dict(zip(order.tolist(), wanted, strict=True))
