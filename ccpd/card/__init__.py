"""The dataset card: what is in the data, in numbers, plots and pictures, as one page that needs no other
file.
"""

from ccpd.card.numbers import Numbers, describe
from ccpd.card.page import accepted, set_aside, write
from ccpd.card.pictures import (
    Picture,
    Sample,
    contact_sheet,
    draw,
    from_rows,
    from_samples,
    markdown,
    of_files,
    side_by_side,
)

__all__ = [
    "Numbers",
    "Picture",
    "Sample",
    "accepted",
    "contact_sheet",
    "describe",
    "draw",
    "from_rows",
    "from_samples",
    "markdown",
    "of_files",
    "set_aside",
    "side_by_side",
    "write",
]
