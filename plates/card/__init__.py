"""The dataset card: what is in the data, in numbers, plots and pictures, as one page that needs no other
file.
"""

from plates.card import plots, tables
from plates.card.numbers import Numbers, describe
from plates.card.page import accepted, set_aside, write
from plates.card.pictures import Picture, Sample, draw, from_rows, from_samples, of_files
from plates.card.sheets import contact_sheet, markdown, markdown_drawing, side_by_side

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
    "markdown_drawing",
    "of_files",
    "plots",
    "set_aside",
    "side_by_side",
    "tables",
    "write",
]
