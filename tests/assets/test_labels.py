"""Labels that are read part by part are those of the whole table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.labels import from_names, turns_of, with_turned
from plates.ccpd.table import parse_labels
from plates.photographs.convert import TAKEN_SCHEMA

NAME = "025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15.jpg"

UPRIGHT, LYING = {"width": 720, "height": 1160}, {"width": 1160, "height": 720}


def scanned(names: list[str], orientations: list[int | None], size: dict[str, int]) -> pa.Table:
    rows = [
        {"subset": "base", "name": name, "path": f"{number}/{name}", **size, "orientation": turn}
        for number, (name, turn) in enumerate(zip(names, orientations, strict=True))
    ]
    return pa.Table.from_pylist(rows, TAKEN_SCHEMA)


@pytest.mark.parametrize("rows", [0, 12])
def test_a_part_of_the_names_at_a_time_gives_the_labels_of_all(rows: int, tmp_path: Path) -> None:
    images = scanned([NAME, "bad.jpg", NAME] * 4, [None, 6, None, 3, None, 6, *[None] * 6], LYING)[:rows]
    pq.write_table(images, tmp_path / "raw_images.parquet", row_group_size=2)
    labels, unparsed = zip(*from_names(tmp_path / "raw_images.parquet", "plate"), strict=True)
    whole, rest = parse_labels(images)
    turns = turns_of(images.filter(images["orientation"].is_valid()), "plate")
    assert pa.concat_tables(labels) == with_turned(whole, turns)
    assert pa.concat_tables(unparsed) == rest
    if rows:
        assert turns.tolist() == [3, 6], "the name of the third that is turned is no label"
        assert pa.concat_tables(labels) != whole


def test_what_no_size_tells_is_decided_by_the_delivery() -> None:
    """A box drawn on the upright picture is not turned: 720x1160 is what the label means, and the file is so."""
    upright = turns_of(scanned([NAME, NAME], [6, 3], UPRIGHT), "plate")
    assert upright.tolist() == [1, 1]
