import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plates.files import atomic, put_back, write_json, write_parquet


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write_half() -> None:
        with atomic(target) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for content in ("first", "second"):
        with atomic(target) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_names_as_long_as_they_may_be_and_with_any_characters_are_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 125, "a[0-9]*.jpg"):
        for content in ("first", "second"):
            with atomic(tmp_path / name) as temporary:
                temporary.write_text(content)
        assert (tmp_path / name).read_text() == "second"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_kill_between_the_two_renames_of_a_folder_is_put_right(tmp_path: Path) -> None:
    old = tmp_path / ".folder.old"
    old.mkdir()
    (old / "kept").write_text("kept")
    with pytest.raises(RuntimeError, match="before"), atomic(tmp_path / "folder"):
        raise RuntimeError("before")
    assert (tmp_path / "folder" / "kept").read_text() == "kept"


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    code = (
        "import sys, time; from pathlib import Path; from plates.files import atomic\n"
        "with atomic(Path(sys.argv[1])) as t:\n    t.write_text('half'); print('writing', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert target.read_text() == "old"
    with atomic(target) as temporary:
        temporary.write_text("new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "new")]


def test_equal_content_gives_equal_bytes_at_another_time(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "b"], "x": [1.5, None]})
    for name in ("one", "two"):
        write_parquet(tmp_path / f"{name}.parquet", table)
        write_json(tmp_path / f"{name}.json", {"b": 1, "a": [1, 2]})
        time.sleep(0.01)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert list(json.loads((tmp_path / "one.json").read_text())) == ["a", "b"]


def test_a_table_keeps_its_notes_but_not_those_of_pandas(tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"split/train.txt": "its hash", "pandas": "a version"})
    write_parquet(tmp_path / "table.parquet", table)
    assert pq.read_schema(tmp_path / "table.parquet").metadata == {b"split/train.txt": b"its hash"}


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"mAP": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_replacing_that_was_killed_half_way_is_undone(tmp_path: Path) -> None:
    target = tmp_path / "champion"
    (tmp_path / ".champion.old").mkdir()
    (tmp_path / ".champion.old/model").write_text("in service")
    put_back(target)
    assert (target / "model").read_text() == "in service"
    put_back(target)
    assert [path.name for path in tmp_path.iterdir()] == ["champion"]
