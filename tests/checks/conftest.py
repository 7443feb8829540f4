from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from plates.ccpd.table import LABELS_SCHEMA, parse_labels

# File names of CCPD itself: two of the 2019 release, two earlier ones, a new-energy plate, a car without a plate.
PATHS = (
    "ccpd_blur/0359-5_21-151&285_417&398-417&398_179&377_151&285_389&306-0_0_4_33_32_25_12-59-4.jpg",
    "ccpd_blur/0080-8_18-266&539_368&605-368&605_275&591_266&539_359&553-0_0_16_31_5_25_28-63-5.jpg",
    "ccpd_base/0166008141762-90_86-167&514_430&588-448&583_175&601_176&522_449&504-0_0_6_32_33_32_15-114-281.jpg",
    "ccpd_base/0133812260536-79_96-297&458_439&560-437&531_307&558_293&485_423&458-0_0_33_33_33_8_27-85-29.jpg",
    "ccpd_green/004827586206896552-93_265-348&574_460&613-460&613_349&610_348&574_459&582-0_0_3_25_28_28_32_32-153-23.jpg",
    "ccpd_np/1.jpg",
)


def parse(paths: list[str]) -> pd.DataFrame:
    """The labels table of photographs of 720x1160, each with a content of its own."""
    rows = [
        {
            "subset": path.split("/")[0].removeprefix("ccpd_"),
            "name": path.split("/")[1],
            "path": path,
            "sha256": f"{number:064x}",
            "width": 720,
            "height": 1160,
        }
        for number, path in enumerate(paths)
    ]
    labels, unparsed = parse_labels(pa.Table.from_pylist(rows, schema=pa.schema(list(LABELS_SCHEMA)[:7])))
    assert not len(unparsed)
    return labels.to_pandas()


@pytest.fixture
def labels() -> pd.DataFrame:
    """Six good rows; the last is an image without a plate."""
    return parse(list(PATHS))


@pytest.fixture(scope="session")
def real_labels(shared: Path) -> pd.DataFrame:
    """The label of every line of the real lists and of every real photograph."""
    lists = sorted((shared / "ccpd" / "labels").glob("*.txt"))
    lines = [line for file in lists for line in file.read_text(encoding="utf-8").split()]
    photographs = sorted((shared / "ccpd").rglob("*.jpg"))
    return parse([*lines, *(f"{file.parent.name}/{file.name}" for file in photographs)])
