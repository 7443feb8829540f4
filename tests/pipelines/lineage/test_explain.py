"""A change with two planted causes is divided between them, by real runs through DVC of a stage of a few lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from recorded import make

from pipelines.lineage.explain import CODE, DATA, PARAMETERS, carry_out, differing, plan
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage.record import Record

STEP = """
import json, random, yaml
from pathlib import Path

settings = yaml.safe_load(Path("params.yaml").read_text())
chance = random.Random(settings["train"]["seed"]).gauss(0, 0.002)
figure = 0.3 + 0.05 * len(Path("data/made.txt").read_text()) + settings["model"]["gain"] + BONUS + chance
Path("metrics").mkdir(exist_ok=True)
Path("metrics/evaluation.json").write_text(json.dumps({"mAP": figure}))
"""
METRICS = "metrics/evaluation.json"
COMMAND = "python assets/step.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Git repository with a stage `evaluation` of a few lines."""
    folder = tmp_path / "project"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets/__init__.py").write_text("")
    evaluation = {"cmd": COMMAND, "deps": ["assets/step.py", "data/made.txt"], "params": ["model", "train"]}
    evaluation["outs"] = [{METRICS: {"cache": False}}]
    (folder / "dvc.yaml").write_text(json.dumps({"stages": {"evaluation": evaluation}}))
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def evaluated(project: Path, content: str, gain: float = 0.0, bonus: float = 0.0, seed: int = 3) -> Record:
    """The record of a run with these data (`content`), parameters (`gain`) and code (`bonus`)."""
    (project / "assets/step.py").write_text(f"BONUS = {bonus}\n{STEP}")
    settings = {"model": {"gain": gain}, "train": {"seed": seed}}
    record = make(project, content, yaml.safe_dump(settings))
    subprocess.run([sys.executable, "assets/step.py"], cwd=project, check=True)
    deps = [{"path": path, "md5": content_hash(project / path)} for path in ("assets/step.py", "data/made.txt")]
    stages = {
        "made": {"cmd": "true", "outs": [dict(deps[1])]},
        "evaluation": {
            "cmd": COMMAND,
            "deps": deps,
            "params": {"params.yaml": settings},
            "outs": [{"path": METRICS, "md5": content_hash(project / METRICS)}],
        },
    }
    metrics = json.loads((project / METRICS).read_text())
    lock = yaml.safe_dump({"schema": "2.0", "stages": stages})
    outputs = record.outputs | {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
    return record.model_copy(update={"metrics": metrics, "params": settings, "dvc_lock": lock, "outputs": outputs})


def test_the_planted_causes_are_found_and_a_stopped_run_goes_on(project: Path) -> None:
    first = evaluated(project, "one")
    second = evaluated(project, "three", bonus=-0.2)
    found = plan(project, first, second, 2)
    assert found.causes == [DATA, CODE]
    assert [(sorted(run.cell), run.seed) for run in found.known] == [([], 3), ([CODE, DATA], 3)]
    said: list[str] = []
    shares = carry_out(project, found, said.append).shares
    assert shares[DATA].value == pytest.approx(0.1)
    assert shares[CODE].value == pytest.approx(-0.2)
    assert all(share.certain for share in shares.values())
    assert sum(" of 6: " in line for line in said) == 6
    again = plan(project, first, second, 2)
    assert again.missing == []
    assert sorted(found.folder.iterdir()) == sorted(found.folder.glob("*.json"))
    (found.folder / "data-seed3.json").unlink()
    (missing,) = plan(project, first, second, 2).missing
    assert (missing.cell, missing.seed) == (frozenset({DATA}), 3)


def test_nothing_but_the_seed(project: Path) -> None:
    first, second = evaluated(project, "one"), evaluated(project, "one", seed=4)
    found = plan(project, first, second, 2)
    assert (found.causes, found.missing) == ([], [])
    done = carry_out(project, found, print)
    assert (done.shares, done.whole.value) == ({}, 0.0)
    assert 0 < done.seed < 0.01


def test_what_decides_no_figure_is_no_cause(project: Path) -> None:
    first, second = evaluated(project, "one"), evaluated(project, "one", gain=0.1)
    assert differing(first, second) == [PARAMETERS]
    (project / "assets/unused.py").write_text("x = 1\n")
    assert differing(first, evaluated(project, "one")) == []


def test_without_a_figure_nothing_is_explained(project: Path) -> None:
    first = evaluated(project, "one")
    with pytest.raises(UserError, match="has no mAP"):
        plan(project, first, first.model_copy(update={"metrics": {}}), 2)
