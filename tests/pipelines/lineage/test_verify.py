"""A record is run again from what is kept of it, and the first output that differs is named."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from recorded import make

from pipelines.lineage.verify import verify
from plates.errors import UserError
from plates.lineage.record import Record

STEP = """
import json
from pathlib import Path

import pandas as pd

figure = len(Path("data/made.txt").read_text()) / 10
Path("metrics").mkdir(exist_ok=True)
pd.DataFrame({"path": ["a", "b"], "score": [figure, figure]}).to_parquet("data/detections.parquet")
Path("metrics/evaluation.json").write_text(json.dumps({"mAP": figure}))
"""
OUTS = ("data/detections.parquet", "metrics/evaluation.json")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Git repository whose stage `evaluation` is a few lines."""
    folder = tmp_path / "project"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets/__init__.py").write_text("")
    (folder / "assets/step.py").write_text(STEP)
    stages = {"made": {"outs": ["data/made.txt"]}, "evaluation": {"outs": list(OUTS)}}
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def evaluated(project: Path, score: float = 0.3, figure: float = 0.3) -> Record:
    """A record of an evaluation that found `score` twice and wrote `figure` down."""
    (project / "table.parquet").unlink(missing_ok=True)
    pd.DataFrame({"path": ["a", "b"], "score": [score, 0.3]}).to_parquet(project / "table.parquet")
    written = {OUTS[0]: (project / "table.parquet").read_bytes(), OUTS[1]: json.dumps({"mAP": figure}).encode()}
    record = make(project, "one", "a: 1\n", written)
    outs = [{"path": path, "md5": record.outputs[path]} for path in OUTS]
    lock = {"stages": {"evaluation": {"cmd": "python assets/step.py", "outs": outs}}}
    return record.model_copy(update={"dvc_lock": yaml.safe_dump(lock)})


def test_the_same_bytes_are_the_same_record(project: Path, tmp_path: Path) -> None:
    said: list[str] = []
    done = verify(project, evaluated(project), tmp_path / "again", None, said.append)
    assert (done.same, done.differs, done.figures) == (list(OUTS), [], [])
    assert said == ["evaluation …"]


def test_the_first_output_that_differs_is_named(project: Path, tmp_path: Path) -> None:
    done = verify(project, evaluated(project, score=0.4), tmp_path / "again", None, print)
    assert (done.same, done.differs) == ([OUTS[1]], [OUTS[0]])
    assert done.first == "1 of 2 rows, by 0.1 at most"


def test_figures_that_differ_are_told(project: Path, tmp_path: Path) -> None:
    record = evaluated(project, figure=0.31).model_copy(update={"metrics": {"mAP": 0.31}, "packages": {"keras": "1"}})
    done = verify(project, record, tmp_path / "again", None, print)
    assert done.figures == [("mAP", 0.31, 0.3)]
    assert any(line.startswith("keras: 1 -> ") for line in done.circumstances)


def test_a_stage_that_fails_says_why(project: Path, tmp_path: Path) -> None:
    (project / "assets/step.py").write_text("raise SystemExit('no such table')")
    with pytest.raises(UserError, match=r"evaluation failed in .*\n.*no such table"):
        verify(project, evaluated(project), tmp_path / "again", None, print)
