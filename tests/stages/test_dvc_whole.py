"""`dvc.lock` is the old or the new, whatever ends DVC while it writes."""

from pathlib import Path
from typing import Any, TextIO

import pytest
from dvc.utils.serialize import _common, _yaml, modify_yaml

from stages.dvc_whole import write_whole

BEFORE = "schema: '2.0'\nstages: {}\n"


class Ended(Exception):
    pass


def written(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is in the file after DVC ended in the middle of writing it."""

    def half(data: Any, stream: TextIO) -> None:
        stream.write("schema: '2")
        stream.flush()
        raise Ended

    file.write_text(BEFORE, encoding="utf-8")
    monkeypatch.setattr(_yaml, "_dump", half)
    with pytest.raises(Ended), modify_yaml(str(file)) as content:
        content["stages"]["labels"] = {"cmd": "true"}
    return file.read_text(encoding="utf-8")


def test_a_file_of_dvc_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dvc.lock"
    assert written(file, monkeypatch) == "schema: '2", "DVC itself writes whole files now: stages.dvc_whole can go"
    monkeypatch.setattr(_common, "_dump_data", _common._dump_data)
    write_whole()
    assert written(file, monkeypatch) == BEFORE
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.undo()


def test_what_is_written_is_what_dvc_would_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    monkeypatch.setattr(_common, "_dump_data", _common._dump_data)
    for prepare in (lambda: None, write_whole):
        prepare()
        file = tmp_path / "dvc.lock"
        file.write_text(BEFORE, encoding="utf-8")
        with modify_yaml(str(file)) as content:
            content["stages"]["labels"] = {"cmd": "true", "deps": [{"path": "名.parquet", "md5": "1e3"}]}
        texts.append(file.read_bytes())
    assert texts[0] == texts[1]
    assert "名" in texts[1].decode()
