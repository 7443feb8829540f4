"""The card's plots and tables, and both as the UI is given them."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from plates import card
from plates.card import plots
from plates.ccpd import provinces
from plates.columns import BOX, CORNERS
from plates.pages import fonts
from plates.pages import plots as canvas
from plates.pages.pictures import Picture
from plates.pages.sheets import contact_sheet, markdown_plot
from plates.splits.shift import compare, features

TRAIN, TEST = 30, 10


def row(number: int, **other) -> dict:
    box = dict(zip(BOX, (100, 200 + number, 300 + number, 270 + number), strict=True))
    corners = dict(zip(CORNERS, (300, 270, 100, 262, 100, 200, 300, 208), strict=True))
    place = {"path": f"ccpd_base/{number}.jpg", "subset": "base", "width": 720, "height": 1160}
    label = {"class": "license_plate", "plate": f"皖A{number:05}", "plate_type": "blue", "province": "皖"}
    measured = {"tilt_horizontal": 2, "tilt_vertical": 1, "brightness": 90 + number, "blurriness": 30 + number}
    return place | box | corners | label | measured | other


@pytest.fixture
def boxes() -> pd.DataFrame:
    """30 photographs of base, of 皖, and 10 of db, with boxes further down, half of them of 沪."""
    moved = {"subset": "db", "ymin": 900, "ymax": 1000, "brightness": 10}
    test = [row(TRAIN + number, **moved, province="皖沪"[number % 2]) for number in range(TEST)]
    return pd.DataFrame([*map(row, range(TRAIN)), *test])


@pytest.fixture
def splits(boxes) -> pd.DataFrame:
    return pd.DataFrame({"path": boxes["path"], "split": ["train"] * TRAIN + ["test"] * TEST})


@pytest.fixture
def drawn(boxes, splits) -> dict:
    with canvas.text_as_pixels():
        return dict(plots.figures(boxes, splits, provinces.NAMES))


def test_every_plot_that_has_values_is_drawn(boxes, drawn):
    assert [*drawn] == [
        *("Where the boxes are", "Size", "Shape", "Tilt", "Brightness", "Blurriness", "Subsets", "Provinces")
    ]
    unmeasured = boxes.assign(**dict.fromkeys([*CORNERS, "brightness", "blurriness", "province"]))
    assert [title for title, _ in plots.figures(unmeasured, None, {})] == [
        *("Where the boxes are", "Size", "Shape", "Subsets")
    ]


def test_each_side_has_its_own_heat_map_and_all_share_their_colours(drawn):
    maps = {axis.get_title(): axis.images[0] for axis in drawn["Where the boxes are"].axes if axis.images}

    assert [*maps] == ["train: 30 boxes", "val: 0 boxes", "test: 10 boxes"]
    shades = [np.asarray(drawing.get_array()) for drawing in maps.values()]
    assert [shade.max() for shade in shades] == [1, 0, 1]
    assert [np.flatnonzero(shade.any(axis=1))[0] for shade in (shades[0], shades[2])] == [10, 45]
    assert {drawing.get_clim() for drawing in maps.values()} == {(0, 1)}


def test_without_splits_there_is_one_heat_map(boxes):
    (figure,) = [figure for title, figure in plots.figures(boxes, None, {}) if title == "Where the boxes are"]

    assert [axis.get_title() for axis in figure.axes if axis.images] == ["40 boxes"]


@pytest.mark.parametrize(("title", "of_test"), [("Subsets", {1: 1.0}), ("Provinces", {0: 0.5, 1: 0.5})])
def test_subsets_and_provinces_are_shares_of_each_split(drawn, title, of_test):
    (axis,) = drawn[title].axes
    points = {
        line.get_label(): dict(zip(np.round(line.get_xdata()), line.get_ydata(), strict=True)) for line in axis.lines
    }

    assert points == {"train": {0: 1.0}, "test": of_test}
    assert [to_hex(line.get_color()) for line in axis.lines] == [plots.COLOURS["train"], plots.COLOURS["test"]]
    if title == "Provinces":
        assert [label.get_text() for label in axis.get_xticklabels()] == ["Anhui", "Shanghai"]


def test_rows_that_were_set_aside_are_drawn_as_far_as_they_go(boxes):
    bad = [
        row(90, xmax=100),
        row(91, width=None, height=None),
        row(92, ymin=np.nan),
        row(93, xmin=300, xmax=100),
        row(94, blurriness=-7),
    ]

    shown = plots.pictures(pd.concat([boxes, pd.DataFrame(bad)], ignore_index=True))
    alone = [picture.caption for picture in plots.pictures(pd.DataFrame(bad[:1]))]

    assert len(shown) == 8
    assert "Size" not in alone
    assert "Shape" in alone


def test_a_plot_for_the_ui_is_a_small_png_in_markdown(boxes, splits):
    for picture in plots.pictures(boxes, splits):
        markdown = markdown_plot(picture)

        assert markdown.startswith(f"![{picture.caption}](data:image/png;base64,")
        assert len(markdown) < 60_000
        shown = Image.open(io.BytesIO(base64.b64decode(markdown.split("base64,")[1].rstrip(")"))))
        assert shown.size == picture.image.size
        assert shown.convert("RGB").getpixel((1, 1)) == pytest.approx((255, 255, 255), abs=4)


@pytest.mark.skipif(fonts.chinese_font() is None, reason="no Chinese font on this machine")
def test_characters_are_drawn_where_a_font_has_them(boxes, recwarn):
    plots.pictures(boxes)
    sheets = [contact_sheet([Picture(Image.new("RGB", (200, 40)), text)]) for text in ("皖", "沪", "?")]

    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert len({sheet.tobytes() for sheet in sheets}) == 3


def test_without_a_chinese_font_provinces_have_their_latin_names(boxes, recwarn, monkeypatch):
    for module in ("plates.pages.fonts", "plates.pages.plots", "plates.pages.sheets", "plates.card.plots"):
        monkeypatch.setattr(f"{module}.chinese_font", lambda: None)

    assert len(plots.pictures(boxes)) == 8
    assert contact_sheet([Picture(Image.new("RGB", (200, 40)), "皖A")]).width == 208
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_the_page_has_the_same_bytes_whatever_fonts_there_are(boxes, splits, monkeypatch):
    with_font = plots.svgs(boxes, splits)
    monkeypatch.setattr("plates.pages.plots.chinese_font", lambda: None)
    monkeypatch.setattr("plates.card.plots.chinese_font", lambda: None)

    assert plots.svgs(boxes, splits) == with_font
    assert "皖 Anhui" in with_font[-1]


def test_counts_shares_and_ratios_of_every_axis(boxes, splits):
    numbers = card.describe(boxes, boxes.iloc[:0].assign(broken=None), splits)
    axes = {axis.name: axis for axis in numbers.axes}

    assert [*axes] == ["class", "province", "subset", "size", "brightness"]
    assert [(value.name, value.boxes, value.share) for value in axes["province"].values] == [
        ("皖", 35, 0.875),
        ("沪", 5, 0.125),
    ]
    assert axes["province"].imbalance_ratio == 7
    assert axes["province"].values[0].splits == {"train": 30, "test": 5}
    assert [value.name for value in axes["brightness"].values] == ["0-49", "50-99", "100-149"]

    markdown = card.tables.balance(numbers)
    assert "**province: 2 values, imbalance ratio 7.0**" in markdown
    assert "| 沪 Shanghai |       0 |      5 |       5 |  12.50% |" in markdown
    assert "**class: one value**" in markdown


def test_every_column_is_shown_against_the_last_delivery_and_the_shifted_are_marked(boxes, tmp_path):
    darker = boxes.assign(brightness=boxes["brightness"] // 4)
    found = compare(features(pd.concat([boxes] * 9)), features(pd.concat([darker] * 9)))
    rows = found.astype({"ks": object}).where(found.notna(), None).to_dict("records")
    card.write(
        tmp_path / "card.html", root=tmp_path, boxes=boxes, rejected=boxes.iloc[:0].assign(broken=None), since_last=rows
    )

    lines = card.tables.shift(rows).splitlines()
    page = (tmp_path / "card.html").read_text(encoding="utf-8")

    assert [line for line in lines if "**shifted**" in line] == [line for line in lines if "brightness" in line]
    assert len(lines) == 2 + len(rows)
    assert "against the last delivery" in lines[0]
    assert "against the last delivery" in page
    assert f"1 of {len(rows)} columns shifted" in page
    assert page.count('<tr class="shifted"><td>brightness</td>') == page.count('<tr class="shifted">') == 1
    assert card.tables.shift([]) == "none: there is no earlier delivery"


@pytest.mark.parametrize("values", [[0.03, 0.05], [100.0, 303.0, 420.0], [7.0]])
def test_every_box_is_in_a_bin_of_a_distribution(values: list[float]) -> None:
    split = pd.Series(["all"] * len(values))
    (axis,) = plots.spread("Size", pd.Series(values), split, "size", logarithmic=True).axes
    shares = axis.patches[0].get_data().values
    assert shares.sum() == pytest.approx(1)
    assert shares.max() <= 1 / len(values) + 1e-9
