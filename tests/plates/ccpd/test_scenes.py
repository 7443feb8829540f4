import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plates.ccpd.alphabet import PROVINCES
from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH, box_area, corners_in_order, hull, tilt_gaps
from plates.ccpd.scenes import KINDS, Sample, generate
from plates.ccpd.scenes.faults import FILE_FAULTS, NAME_FAULTS
from plates.ccpd.scenes.glyphs import STROKES, province_mask
from plates.ccpd.scenes.layout import MARGINS, SUBSET_SHARES, lay_out
from plates.ccpd.scenes.render import render
from plates.ccpd.table import parse_labels
from plates.columns import BOX, CORNERS
from plates.errors import UserError
from plates.photographs.scan import scan


@pytest.fixture(scope="module")
def ruined(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return generate(tmp_path_factory.mktemp("sample") / "scenes", count=80, seed=5, bad=0.03, workers=1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return generate(tmp_path_factory.mktemp("sample") / "scenes", count=60, seed=1, workers=2)


def read(sample: Sample):
    images = scan(sample.folder, sample.folder.parent / "cache.parquet").table
    return images, *parse_labels(images)


def test_a_sample_is_a_delivery_without_a_fault(sound: Sample) -> None:
    images, labels, unparsed = read(sound)
    assert sorted(sound.paths) == images["path"].to_pylist()
    assert len(unparsed) == 0
    assert set(images["problem"].to_pylist()) == {None}
    assert set(images["subset"].to_pylist()) <= set(SUBSET_SHARES)
    assert set(zip(images["width"].to_pylist(), images["height"].to_pylist(), strict=True)) == {(720, 1160)}
    table = labels.to_pandas()
    table = table[table["subset"] != "np"]
    boxes = table[[*BOX]].to_numpy(float)
    corners = table[[*CORNERS]].to_numpy(float).reshape(-1, 4, 2)
    assert np.array_equal(hull(corners) + MARGINS, boxes)
    assert corners_in_order(corners).all()
    share = table["area_ratio"] / (box_area(boxes) / (IMAGE_WIDTH * IMAGE_HEIGHT))
    assert share.between(0.97, 1.0001).all()
    horizontal, vertical = tilt_gaps(corners, table["tilt_horizontal"].to_numpy(), table["tilt_vertical"].to_numpy())
    assert max(horizontal.max(), vertical.max()) < 1
    assert (table["plate"].str.len() == table["plate_type"].map({"blue": 7, "green": 8})).all()
    assert not table["plate"].str.contains("O").any()


def test_every_picture_decodes_in_full(sound: Sample) -> None:
    for path in sound.paths[:20]:
        assert np.asarray(Image.open(sound.folder / path)).shape == (1160, 720, 3)


def test_same_seed_same_bytes_whatever_the_workers(sound: Sample, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", count=12, seed=1, workers=1)
    assert again.paths == sound.paths[:12]
    for path in again.paths:
        assert (again.folder / path).read_bytes() == (sound.folder / path).read_bytes()
    other = lay_out(2, 0, 0.3)
    assert render(2, other)[0] != (again.folder / again.paths[0]).read_bytes()


def test_each_fault_is_there_as_often_as_asked_and_nothing_else_is(ruined: Sample) -> None:
    """Found again by what each fault breaks, without the list of them."""
    images, labels, unparsed = read(ruined)
    kinds = {kind: {path for path, found in ruined.bad.items() if found == kind} for kind in KINDS}
    assert {kind: len(paths) for kind, paths in kinds.items()} == {
        kind: 4 if kind == "duplicate_content" else 2 for kind in KINDS
    }
    assert set(unparsed["path"].to_pylist()) == set().union(
        *(kinds[kind] for kind in NAME_FAULTS if kind != "nine_characters")
    )
    rows = images.to_pandas().set_index("path")
    assert set(rows.index[rows["problem"].notna()]) == set().union(
        *(kinds[kind] for kind in FILE_FAULTS if kind != "wrong_size")
    )
    assert set(rows.index[(rows["width"] != 720) & rows["problem"].isna()]) == kinds["wrong_size"]
    copies = rows[(rows["bytes"] > 0) & rows["sha256"].duplicated(keep=False)]
    assert set(copies.index) == kinds["duplicate_content"]

    table = labels.to_pandas().set_index("path").query("subset != 'np'")
    boxes = table[[*BOX]].to_numpy(float)
    corners = table[[*CORNERS]].to_numpy(float).reshape(-1, 4, 2)
    broken = {
        "box_outside_image": boxes[:, 2] > 720,
        "box_swapped": boxes[:, 2] < boxes[:, 0],
        "box_degenerate": boxes[:, 2] == boxes[:, 0],
        "corners_reordered": ~corners_in_order(corners),
        "tilt_wrong": tilt_gaps(corners, *table[["tilt_horizontal", "tilt_vertical"]].to_numpy().T)[0] > 20,
        "plate_short": table["plate"].str.len() == 6,
        "plate_no_character": table["plate"].str.contains("O"),
        "nine_characters": table["plate"].str.len() > 8,
    }
    for kind, mask in broken.items():
        assert kinds[kind] <= set(table.index[mask]), kind
    share = box_area(boxes) / (IMAGE_WIDTH * IMAGE_HEIGHT)
    area = table["area_ratio"].to_numpy() / np.maximum(share, 1e-9)
    assert set(table.index[(area < 0.5) & (share > 0)]) == kinds["area_wrong"]
    apart = (np.abs(hull(corners) + MARGINS - boxes).max(axis=1) > 0) & ~broken["corners_reordered"]
    assert set(table.index[apart]) == set().union(
        *(kinds[kind] for kind in ("box_outside_image", "box_swapped", "box_degenerate", "box_off_corners"))
    )
    report = json.loads((ruined.folder / "sample.json").read_text(encoding="utf-8"))
    assert report["bad"] == ruined.bad


def test_imbalance_is_the_share_of_the_first_province() -> None:
    for asked in (0.0, 0.5, 0.88):
        provinces = [layout.plate[0] for layout in (lay_out(0, index, asked) for index in range(600)) if layout.plate]
        assert provinces.count(PROVINCES[0]) / len(provinces) == pytest.approx(asked, abs=0.06)


def test_sizes_and_shapes_are_those_of_the_real_dataset() -> None:
    """Real: median area 4-6.7% of the frame; ccpd_base's width over height mostly 2 to 3.5."""
    layouts = [layout for layout in (lay_out(0, index, 0.3) for index in range(800)) if layout.subset == "base"]
    boxes = np.array([layout.box for layout in layouts], float)
    assert 0.035 < np.median(box_area(boxes)) / (IMAGE_WIDTH * IMAGE_HEIGHT) < 0.07
    ratio = (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])
    low, high = np.percentile(ratio, [10, 90])
    assert low > 1.6
    assert high < 3.6


def test_the_plate_is_where_the_label_says() -> None:
    """Blue pixels stand inside the box far more than around it."""
    inside, around = [], []
    for index in range(40):
        layout = lay_out(0, index, 0.3)
        if layout.subset != "base":
            continue
        pixels = np.asarray(Image.open(io.BytesIO(render(0, layout)[0])), float)
        blue = pixels[..., 2] - pixels[..., 0] > 50
        left, top, right, bottom = layout.box
        wide = blue[max(0, top - 40) : bottom + 40, max(0, left - 40) : right + 40]
        inside.append(blue[top:bottom, left:right].mean())
        around.append((wide.sum() - blue[top:bottom, left:right].sum()) / (wide.size - (right - left) * (bottom - top)))
    assert np.median(inside) > 0.35
    assert np.median(around) < 0.1


def test_the_same_car_comes_back() -> None:
    plates = [lay_out(3, index, 0.3).plate for index in range(300)]
    assert len(set(plates)) < len(plates) - 10


def test_every_province_has_a_glyph_of_its_own() -> None:
    assert set(STROKES) == set(PROVINCES) - {"O"}
    assert len({province_mask(province, 45, 90, 6).tobytes() for province in STROKES}) == len(STROKES)


def test_what_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"only .* scenes have a label"):
        generate(tmp_path / "a", count=20, seed=0, bad=0.2)
    with pytest.raises(UserError, match="no such kind of bad annotation: upside_down"):
        generate(tmp_path / "a", count=20, seed=0, bad={"upside_down": 0.1})
    with pytest.raises(UserError, match="count of at least 1"):
        generate(tmp_path / "a", count=0, seed=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.jpg").touch()
    with pytest.raises(UserError, match="not an empty folder"):
        generate(tmp_path / "full", count=1, seed=0)
    assert not (tmp_path / "a").exists()
