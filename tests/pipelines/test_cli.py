"""What the `plates` commands say: to a newcomer, at 80 columns, in a pipe, and before anything was run."""

import inspect
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
from clones import ROOT, Command

from pipelines import cli, doctor, inputs
from pipelines.cli.app import console
from pipelines.cli.predict import figures, vouching
from pipelines.cli.ui import _alone
from plates import quiet
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage.record import FOLDER, Record, read_all, sealed
from plates.settings import edit
from plates.settings.params import SampleParams, knobs
from plates.settings.project import Project

HASH = "0123456789abcdef"
CHECKPOINT = "fedcba9876543210.dir"
Plates = Callable[..., tuple[int, str, str]]


def record(seconds: int, **outputs: str) -> Record:
    """A record of the first version, made without a run."""
    return sealed(
        Record(
            id="",
            time=f"2026-01-02T03:04:0{seconds}+00:00",
            metrics={"mAP": 0.5123, "mAP50": 0.91, "mAP75": 0.6, "ccpd_score": 0.88, "steps": 12000, "images": 141982},
            outputs={"data/raw_images.parquet": HASH, "data/tfrecords": f"{HASH}.dir", **outputs},
            params={"model": {"name": "efficientdet-lite3x"}},
            code={"commit": "a105f19400000000", "changed": ["a.py"]},
            packages={},
            machine={},
            params_yaml="",
            dvc_lock="",
        )
    )


def listed(root: Path) -> list[str]:
    """The ids of the project's records, oldest first."""
    return [found.id for found in read_all(root)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings and stages of a project, and nothing else."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLATES_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 80)


@pytest.fixture
def evaluated(project: Path) -> Path:
    """A project with two evaluations; the second is of the model exported last, which is the champion too."""
    model = project / "models/export/model"
    (model / "saved_model/1").mkdir(parents=True)
    (model / "saved_model/1/saved_model.pb").write_bytes(b"no model")
    (model / "hashes.json").write_text("{}")
    shutil.copytree(model, project / "models/champion/model")
    (project / FOLDER).mkdir(parents=True)
    second = record(1, **{"models/export/model": content_hash(model)})
    (project / "models/champion.json").write_text(json.dumps({"record": second.id}))
    for found in (record(0), second):
        (project / FOLDER / f"{found.id}.json").write_text(found.model_dump_json())
    return project


@pytest.mark.usefixtures("at_80_columns")
def test_every_setting_shows_its_value_its_meaning_and_another_default(project: Path, plates: Plates) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("steps: 350", "steps: 7"))
    code, out, _ = plates("params")
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "train.steps = 7   (default 350)" in lines
    assert out.count("(default ") == 1
    assert "model.heads = [object_detection]" in lines
    assert "data.root = null" in lines
    words = " ".join(out.split())
    for key, field in knobs():
        assert f"{key} = " in out
        assert field.description in words


@pytest.mark.usefixtures("project")
def test_a_name_that_no_setting_has_is_an_error_with_the_nearest(plates: Plates) -> None:
    code, out, err = plates("params", "lerning_rate")
    assert (code, out) == (1, "")
    assert "no setting's name contains 'lerning_rate'. Nearest: train.learning_rate" in err


def test_a_wrong_file_does_not_keep_the_settings_from_being_explained(project: Path, plates: Plates) -> None:
    (project / "params.yaml").write_text("train: {steps: many}\n")
    code, out, err = plates("params", "train.steps")
    assert code == 0
    assert "found 'many'" in err
    assert "the defaults" in err
    assert "train.steps = 350" in out


def test_lineage_in_a_pipe_keeps_every_value(evaluated: Path, plates: Plates) -> None:
    _, out, _ = plates("lineage")
    first = listed(evaluated)[0][:8]
    row = next(line for line in out.splitlines() if line.startswith(first))
    figures = ["0.512", "0.910", "0.600", "0.880", "lite3x", "12,000", "141,982", HASH[:8], HASH[:8], "a105f194+"]
    assert row.split() == [first, "2026-01-02", "03:04", *figures]


@pytest.mark.usefixtures("at_80_columns")
def test_lineage_at_80_columns_drops_columns_and_breaks_none(evaluated: Path, plates: Plates) -> None:
    _, out, _ = plates("lineage")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    first, *others = listed(evaluated)
    shown = ["2026-01-02", "03:04", "0.512", "0.910", "lite3x", "12,000", "a105f194+"]
    assert next(line for line in lines if line.startswith(first[:8])).split()[1:] == shown
    for identity in others:
        row = next(line for line in lines if line.startswith(identity[:8]))
        assert row.split()[1:] == [*shown, "nothing"]
    left_out = "tfrecords, images, mAP75, ccpd_score, raw images"
    assert f"no room for {left_out}: plates lineage | less -S" in " ".join(out.split())


def test_lineage_diff_says_what_it_compares(plates: Plates) -> None:
    _, out, _ = plates("lineage", "diff", "--help")
    assert "First characters of a record's id" in " ".join(out.split())


@pytest.mark.usefixtures("project")
def test_a_busy_port_is_named_before_anything_starts(plates: Plates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("started Dagster"))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        code, _, err = plates("ui", "--port", str(port))
    assert code == 1
    assert f"127.0.0.1:{port}: Address already in use. Use another port: plates ui --port N" in err


def test_a_second_ui_of_a_project_is_told_where_the_first_is(tmp_path: Path) -> None:
    """Two daemons would evaluate each schedule twice."""
    (tmp_path / "params.yaml").touch()
    with _alone(Project(tmp_path), 3456), pytest.raises(UserError, match=r"already: http://127\.0\.0\.1:3456"):
        _alone(Project(tmp_path), 3457)
    _alone(Project(tmp_path), 3457).close()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "x.jpg"], "no model at .*models/export/model. `plates run` makes one"),
        (["predict", "x.jpg", "--model", "models/champion"], "no model at models/champion. `plates run` makes one"),
        (["weights", "inspect", "models/checkpoint"], "models/checkpoint does not exist.*`plates run` trains one"),
    ],
)
def test_before_the_first_run_the_advice_is_to_run(plates: Plates, words: list[str], said: str) -> None:
    code, _, err = plates(*words)
    assert code == 1
    assert re.search(said, err), err


def test_a_fault_that_two_looks_find_is_said_once(plates: Plates, monkeypatch: pytest.MonkeyPatch) -> None:
    same = [doctor.Finding(subject, False, "no project here", f"fix {subject}") for subject in ("first", "second")]
    monkeypatch.setattr(doctor, "examine", lambda: iter([doctor.Finding("git", True, "2"), *same]))
    code, out, _ = plates("doctor")
    assert code == 1
    assert "fix first" in out
    assert "second" not in out


@pytest.mark.parametrize("name", ["train", "export", "val"])
def test_the_command_of_another_detector_leads_to_ours(plates: Plates, name: str) -> None:
    code, out, err = plates(name, "--epochs", "3")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: `plates {name}` is not a command: plates ")


def test_help_names_no_type_at_a_flag(plates: Plates) -> None:
    for words in ([], ["lineage"], ["lineage", "restore"], ["run"]):
        code, out, _ = plates(*words, "--help")
        assert code == 0
        assert "--help" in out
        assert "<bool>" not in out
    assert plates("--version")[1] == f"plates {metadata.version('plates')}\n"


def test_sample_draws_as_many_scenes_as_a_run_does() -> None:
    defaults = {name: value.default for name, value in inspect.signature(cli.data.sample).parameters.items()}
    assert {name: defaults[name] for name in SampleParams.model_fields} == SampleParams().model_dump()


def test_the_model_in_use_is_told_by_its_content(evaluated: Path) -> None:
    for name in ("models/export/model", "models/champion/model", "models/export/model/hashes.json"):
        said = figures(vouching(evaluated / name))
        known = f"(record {listed(evaluated)[1][:8]}), the champion"
        assert said == f"mAP 0.512, mAP50 0.910, mAP75 0.600, ccpd_score 0.880 {known}"
    (evaluated / "models/champion.json").write_text(json.dumps({"record": listed(evaluated)[0]}))
    assert figures(vouching(evaluated / "models/export/model")).endswith("not the champion")
    (evaluated / "models/export/model/saved_model/1/saved_model.pb").write_bytes(b"another")
    for name in ("models/export/model", "models/export/model/hashes.json"):
        assert "not in lineage/records" in figures(vouching(evaluated / name))
    (evaluated / "alone").mkdir()
    shutil.copy2(evaluated / "models/champion/model/hashes.json", evaluated / "alone/model.onnx")
    assert "not in lineage/records" in figures(vouching(evaluated / "alone/model.onnx")), "a file without its folder"


def test_a_model_that_no_record_vouches_for_is_not_loaded(evaluated: Path, plates: Plates) -> None:
    """A SavedModel runs what is in it; this one is not even a model, which shows that nothing looked into it."""
    (evaluated / "models/export/model/saved_model/1/saved_model.pb").write_bytes(b"another")
    code, out, err = plates("predict", "x.jpg")
    assert (code, out) == (1, "")
    assert "no record of this project vouches for" in err
    assert "--trust" in err


def test_files_are_looked_at_before_tensorflow_starts(
    evaluated: Path, plates: Plates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "import_tensorflow", lambda: pytest.fail("TensorFlow was started"))
    (evaluated / "text.jpg").write_text("not a picture")
    code, out, err = plates("predict", "gone.jpg", "text.jpg")
    assert (code, out) == (1, "")
    assert "error: gone.jpg cannot be read: No such file or directory" in err
    assert "error: text.jpg is not a picture that can be opened" in err


@pytest.mark.slow
def test_predict_takes_a_folder_and_says_which_model_without_noise(finished, tmp_path: Path) -> None:
    root, call = finished
    for photograph in sorted(root.glob("data/sample/ccpd_base/*.jpg"))[:3]:
        shutil.copy2(photograph, tmp_path)
    done = call("env", "-u", "TF_CPP_MIN_LOG_LEVEL", "plates", "predict", str(tmp_path))
    images = [json.loads(line)["image"] for line in done.stdout.splitlines()]
    assert images == [str(path) for path in sorted(tmp_path.iterdir())]
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"model {root / 'models/export/model'}: mAP ")
    assert said.endswith("the champion")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.root=/nope"], "data.root is /nope, which does not exist"),
        (["data.root=params.yaml"], "params.yaml, which is a file"),
        (["data.root=."], "no image under .*: 2 other files"),
        (["data.annotations=/nope.json"], "data.annotations is /nope.json, which does not exist"),
        (["model.pretrained=nope.h5"], "model.pretrained is .*nope.h5, which does not exist"),
        (["model.pretrained=models/checkpoint"], "which the run itself replaces"),
        (["train.teacher=models/checkpoint"], "which the run itself replaces"),
        (["train.teacher=nowhere"], "which is not a folder"),
        (["data.root=.", "train.steps=0"], "train.steps"),
    ],
)
def test_settings_are_looked_at_before_they_are_written(project: Path, words: list[str], said: str) -> None:
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(UserError, match=said):
        edit.write(project / "params.yaml", edit.parse(words), partial(inputs.require, Project(project)))
    assert (project / "params.yaml").read_bytes() == before


def test_a_run_that_cannot_begin_says_one_error_and_changes_nothing(fresh: tuple[Path, Command]) -> None:
    root, call = fresh
    before = (root / "params.yaml").read_bytes()
    for words in (["--data", "nope"], ["--set", "data.root=nope", "--set", "train.steps=7"]):
        done = call("python", "-m", "pipelines.cli", "run", *words, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: data.root is {root / 'nope'}, which does not exist")
        assert done.stderr.count("error") == 1
    assert (root / "params.yaml").read_bytes() == before


HOLDER = """
import pathlib, time
from stages import lock
with lock.work(pathlib.Path.cwd(), "dvc repro", print):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_waits_and_changes_nothing_under_the_first(fresh: tuple[Path, Command]) -> None:
    root, _ = fresh
    before = (root / "params.yaml").read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(root)}
    first = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=root, env=environment, stdout=subprocess.PIPE)
    assert first.stdout is not None
    assert first.stdout.readline() == b"held\n"
    run = [sys.executable, "-m", "pipelines.cli", "run", "--set", "train.steps=60"]
    second = subprocess.Popen(run, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    said = second.stderr.readline()
    for process in (second, first):
        process.kill()
        process.communicate()
    assert said.startswith(f"waiting for `dvc repro` (process {first.pid}), running since 20")
    assert (root / "params.yaml").read_bytes() == before
