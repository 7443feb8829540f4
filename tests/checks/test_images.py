"""The check on `raw_images` says what is wrong with the images, and offers to convert only what can be."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checks.on_data import images_are_readable
from plates.settings.project import Project


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ([None, None], "all 2 images can be read"),
        (
            [None, "not a JPEG: a PNG", "EXIF orientation 6", "not a JPEG: text", "truncated: no end marker"],
            "of 5 images: 1 turned by EXIF, 2 not a JPEG, 1 cannot be read; `boxes` sets them aside. "
            "2 can be made upright JPEGs: plates run --set data.convert=when_needed",
        ),
        (
            [None, "truncated: no end marker", "not a JPEG: text"],
            "of 3 images: 1 not a JPEG, 1 cannot be read; `boxes` sets them aside",
        ),
    ],
)
def test_what_is_said_of_images(problems: list[str | None], said: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "params.yaml").write_text("{}\n")
    paths = [f"{number}.jpg" for number in range(len(problems))]
    table = pa.table({"path": paths, "problem": pa.array(problems, pa.string())})
    pq.write_table(table, tmp_path / "data/raw_images.parquet")
    result = images_are_readable(project=Project(tmp_path))
    assert isinstance(result, dg.AssetCheckResult)
    assert result.description == said
    assert result.passed == (not any(problems))
