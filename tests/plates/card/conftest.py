"""Three photographs with CCPD's names, and their boxes."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from plates.card.look.photographs import IMAGE_SCHEMA
from plates.ccpd.table import parse_labels

NAMES = (
    "0166008141762-90_86-167&514_430&588-448&583_175&601_176&522_449&504-0_0_6_32_33_32_15-114-281.jpg",
    "0359-5_21-151&285_417&398-417&398_179&377_151&285_389&306-0_0_4_33_32_25_12-59-4.jpg",
    "0080-8_18-266&539_368&605-368&605_275&591_266&539_359&553-0_0_16_31_5_25_28-63-5.jpg",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "ccpd_base"
    folder.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        Image.new("RGB", (720, 1160), (60 * number, 90, 120)).save(folder / name)
    return tmp_path / "root"


@pytest.fixture
def boxes(root) -> pd.DataFrame:
    place = {"subset": "base", "sha256": "a" * 64, "width": 720, "height": 1160}
    rows = [place | {"name": name, "path": f"ccpd_base/{name}"} for name in NAMES]
    return parse_labels(pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA))[0].to_pandas()


@pytest.fixture
def names() -> tuple[str, ...]:
    return NAMES
