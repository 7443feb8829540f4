"""Reading `image_size`, and what to think of a size."""

import re

SMALLEST_SIDE = 64


def parse_image_size(value: int | str) -> tuple[int, int]:
    """(height, width) in pixels from 640, "640" or "640x320", which is width x height ("640×320" too).

    Raises `ValueError` for anything else, and for a side under 64 px.
    """
    match = re.fullmatch(r"\s*(\d+)\s*(?:[x×]\s*(\d+)\s*)?", str(value), flags=re.IGNORECASE)
    if isinstance(value, bool) or match is None:
        raise ValueError(f'image_size must be a number (640) or "WIDTHxHEIGHT" ("640x320"), not {value!r}')
    width = int(match[1])
    height = int(match[2] or match[1])
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"image_size {value} is too small for the pyramid: a side must be at least {SMALLEST_SIDE} px")
    return height, width


def image_size_advice(height: int, width: int, max_level: int) -> str | None:
    """A hint where a side is not a multiple of 16, else None.

    Any size works as in the reference: level l has ceil(side / 2^l) cells. Where a side does not divide, the
    cells of neighbouring levels do not line up, and BiFPN resizes between them unevenly.
    """
    odd = [side for side in (height, width) if side % 16]
    if not odd:
        return None
    near = " x ".join(str(max(SMALLEST_SIDE, round(side / 16) * 16)) for side in (width, height))
    return (
        f"image_size {width} x {height} (width x height) works, but a side that is not a multiple of 16 makes "
        f"the cells of the levels up to P{max_level} line up badly; {near} is close to it"
    )
