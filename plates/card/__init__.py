"""The data set card, and looking at any file or folder of a project.

Here: what is in the data, in numbers, plots and pictures, as one page that needs no other file; `plates inspect`.
Not here: how pictures, plots and pages are drawn (`plates.pages`), and what is accepted as data (`checks`).
"""

from plates.card import plots, tables
from plates.card.numbers import Numbers, describe
from plates.card.page import accepted, set_aside, some_accepted, some_set_aside, write
from plates.card.pictures import side_by_side

__all__ = [
    "Numbers",
    "accepted",
    "describe",
    "plots",
    "set_aside",
    "side_by_side",
    "some_accepted",
    "some_set_aside",
    "tables",
    "write",
]
