"""What is damaged on disk is named with the way back, whoever reads it."""

import pandas as pd
import pyarrow as pa
import pytest

from plates.card.look.tables import table
from plates.errors import UserError
from plates.files import damage, read_json, read_table, write_parquet
from plates.lineage.cache import Cache
from plates.lineage.restore import _uncached
from plates.settings.project import Project
from plates.why.evidence import of_now

GARBAGE = b"\xff\xfe\x00{[garbage"


@pytest.mark.parametrize("content", [GARBAGE, b"{", b""])
def test_json(tmp_path, content):
    file = tmp_path / "figures.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"figures\.json is damaged .*git checkout"):
        read_json(file)


@pytest.mark.parametrize("content", [GARBAGE, b"[1, 2]"])
def test_the_evaluation(tmp_path, content):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "evaluation.json").write_bytes(content)
    with pytest.raises(UserError, match=r"evaluation\.json is"):
        of_now(Project(tmp_path))


@pytest.mark.parametrize("content", [GARBAGE, b"no section", b"[core\nx"])
def test_the_configuration_of_dvc(tmp_path, content):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_bytes(content)
    with pytest.raises(UserError, match="is not a DVC configuration"):
        Cache.of(tmp_path)


@pytest.mark.parametrize("content", [GARBAGE, b"stages: [", b"[]"])
def test_dvc_yaml(tmp_path, content):
    (tmp_path / "dvc.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"git checkout -- dvc\.yaml"):
        _uncached(tmp_path)


def test_a_table(tmp_path):
    (tmp_path / "boxes.parquet").write_bytes(GARBAGE)
    with pytest.raises(UserError, match="is not a Parquet file, or is damaged"):
        table(tmp_path / "boxes.parquet", None, 3)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"path": ["a.jpg"]}, "no column split"),
        ({"path": ["a.jpg"], "split": ["train"], "score": [1.0]}, "a column score"),
        ({"path": [7], "split": ["train"]}, "column path is int64, not string"),
        ({"path": ["a.jpg"], "split": ["train"]}, None),
        ({"split": ["train"], "path": ["a.jpg"]}, None),
    ],
)
def test_another_table_in_the_place_of_a_table(tmp_path, columns, said):
    schema = pa.schema({"path": pa.string(), "split": pa.string()})
    write_parquet(tmp_path / "splits.parquet", pa.table(columns))
    why = damage(tmp_path / "splits.parquet", schema)
    assert why is None if said is None else said in why


@pytest.mark.parametrize("write", [lambda file: file.write_bytes(GARBAGE), pd.DataFrame({"a": [1]}).to_parquet])
def test_a_table_that_is_not_the_one_that_belongs_there(tmp_path, write):
    write(tmp_path / "boxes.parquet")
    with pytest.raises(UserError, match=r"boxes\.parquet is damaged or a different table .*plates run"):
        read_table(tmp_path / "boxes.parquet", ["path"])
