"""What labels and splits are made from is what the table of the photographs names."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plates.errors import UserError
from plates.photographs.beside import ANNOTATIONS, beside, hashes, lists, require_as_scanned
from plates.settings.project import Project


def test_files_that_changed_since_the_scan_are_refused(tmp_path: Path) -> None:
    root, annotations, table = tmp_path / "photographs", tmp_path / "labels.json", tmp_path / "raw_images.parquet"
    (root / "split").mkdir(parents=True)
    for name in ("train", "test", "notes"):
        (root / f"split/{name}.txt").write_text("a.jpg\n")
    annotations.write_text("{}")
    (tmp_path / "params.yaml").write_text(f"data: {{root: {root}, annotations: {annotations}}}\n")
    files = beside(Project(tmp_path))
    assert set(files) == {ANNOTATIONS, "split/test.txt", "split/train.txt"}
    pq.write_table(pa.table({"path": ["a.jpg"]}).replace_schema_metadata(hashes(files)), table)
    require_as_scanned(table, files)
    (root / "split/train.txt").write_text("b.jpg\n")
    require_as_scanned(table, {ANNOTATIONS: annotations})
    with pytest.raises(UserError, match=r"^split/train\.txt: changed since the scan.*plates run"):
        require_as_scanned(table, lists(root))
    annotations.write_text("{ }")
    with pytest.raises(UserError, match=r"^data\.annotations: changed since the scan"):
        require_as_scanned(table, {ANNOTATIONS: annotations})
