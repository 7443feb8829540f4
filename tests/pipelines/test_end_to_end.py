"""The whole pipeline through both doors, on a small sample: real Dagster, real DVC, real JPEGs, real training."""

import html
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from clones import ROOT, locked

from plates.columns import SPLITS
from plates.lineage.record import read_all
from plates.metrics import METRICS
from plates.settings import edit

pytestmark = pytest.mark.slow


def test_a_run_goes_from_photographs_to_a_champion(finished) -> None:
    root, _ = finished
    metrics = json.loads((root / "metrics/evaluation.json").read_text())
    assert 0 <= metrics["mAP"] <= metrics["mAP50"] <= 1
    assert (root / "models/export/model").is_dir()
    for report in ("reports/evaluation.html", "reports/dataset_card.html", "models/export/MODEL_CARD.md"):
        assert (root / report).stat().st_size > 1000, report
    splits = pd.read_parquet(root / "data/splits.parquet")
    assert set(splits["split"]) == set(SPLITS)


def test_dvc_is_clean_after_a_run_and_a_second_run_does_nothing(finished) -> None:
    root, call = finished
    assert json.loads(call("dvc", "status", "--json").stdout) == {"raw_images": ["always changed"]}
    stamp = (root / "models/checkpoint").stat().st_mtime_ns
    again = call("plates", "run")
    assert "checkpoint" in again.stdout
    assert (root / "models/checkpoint").stat().st_mtime_ns == stamp
    assert "Everything is up to date" in again.stdout
    assert "  labels (" not in again.stdout
    assert_as_in_the_readme(again.stdout)


def assert_as_in_the_readme(said: str) -> None:
    """The README's terminal session is what `plates run` prints, but for figures and for what a score decides."""
    (session,) = re.findall(
        r"^```\n\$ plates run\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    printed = {skeleton(line) for line in said.splitlines()}
    by_score = ("Worst where", "plates why:")
    shown = [line for line in session.splitlines() if line != "…" and not line.startswith(by_score)]
    assert len(shown) > 10
    assert [line for line in shown if skeleton(line) not in printed] == []


def skeleton(line: str) -> str:
    """A line without the figures, the widths of its table and the project's folder."""
    line = re.sub(r"(\S+)(?=/(reports|models)/)", "…", line)
    return re.sub(r"[\s\d.,–━─]+", "", line)


def test_the_record_leads_from_the_map_back_to_the_photographs(finished) -> None:
    root, call = finished
    (record,) = read_all(root)
    from plates.hashes import content_hash

    for path in ("data/raw_images.parquet", "data/tfrecords", "models/checkpoint", "models/export/model"):
        assert record.outputs[path] == content_hash(root / path)
    assert record.metrics == json.loads((root / "metrics/evaluation.json").read_text())
    assert record.params["train"]["steps"] == 12
    assert record.id[:8] in call("plates", "lineage").stdout


def test_the_report_says_why_the_score_is_low(finished) -> None:
    root, _ = finished
    page = (root / "reports/evaluation.html").read_text(encoding="utf-8")
    why = page[page.index("<h2>Why</h2>") : page.index("<h2>By subset</h2>")]
    assert "too few steps" in why
    assert "plates run --set train.steps=500" in why


def test_metrics_and_plots_show_in_dvc(finished) -> None:
    _, call = finished
    (shown,) = json.loads(call("dvc", "metrics", "show", "--json").stdout).values()
    assert set(shown["data"]["metrics/scores.json"]["data"]) == {"mAP", "mAP50", "mAP75", "ccpd_score"}
    assert "index.html" in call("dvc", "plots", "show").stdout


def test_anchors_compares_the_fit_with_the_models_own_and_draws(finished) -> None:
    root, call = finished
    fitted = json.loads((root / "data/anchors.json").read_text())
    printed = call("plates", "anchors").stdout
    for name, figures in (("fitted", fitted), ("the model's", fitted["used"])):
        row = next(line for line in printed.splitlines() if line.strip().startswith(name))
        assert f"{figures['best_possible_recall']:.3f}" in row
        assert f"{figures['mean_best_iou']:.3f}" in row
        assert f"{figures['positives_per_box']:.1f}" in row
    assert (root / "reports/anchors.png").stat().st_size > 10_000


def test_predict_prints_json_and_draws(finished, tmp_path: Path) -> None:
    root, call = finished
    photograph = next(root.glob("data/sample/ccpd_base/*.jpg"))
    done = call("plates", "predict", str(photograph), "--score", "0", "--draw", str(tmp_path))
    found = json.loads(done.stdout.splitlines()[0])
    assert found["image"] == str(photograph)
    assert len(list(tmp_path.glob("*"))) == 1


def test_the_python_lines_of_the_readme_work(finished) -> None:
    root, call = finished
    (lines,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    photograph = next(root.glob("data/sample/ccpd_base/*.jpg"))
    assert "PHOTO.jpg" in lines
    printed = call("python", "-c", lines.replace("PHOTO.jpg", str(photograph))).stdout
    assert printed.startswith("[")


def test_the_other_door_gives_the_same_data_and_leaves_dvc_clean(finished) -> None:
    """Dagster's own command materializes the data assets; DVC then finds nothing to do."""
    root, call = finished
    before = {path: path.read_bytes() for path in root.glob("data/*.parquet")}
    call("dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", "labels,boxes,splits")
    assert {path: path.read_bytes() for path in root.glob("data/*.parquet")} == before
    assert "changed" not in call("dvc", "status", "boxes", "splits", "labels").stdout.replace("always changed", "")


@pytest.mark.long
def test_an_experiment_leaves_another_record_and_going_back_trains_nothing(finished) -> None:
    root, call = finished
    first = locked(root)
    call("git", "add", "--all")
    call("git", "commit", "--quiet", "-m", "first run")
    call("dvc", "exp", "run", "-S", "train.steps=14")
    columns, *_ = call("dvc", "exp", "show", "--only-changed", "--drop", ".*/", "--csv").stdout.splitlines()
    assert set(columns.split(",")) <= {*("Experiment", "rev", "typ", "Created", "parent"), *METRICS, "train.steps"}
    records = read_all(root)
    assert sorted(record.params["train"]["steps"] for record in records) == [12, 14]
    twelve, fourteen = sorted((record.params["train"]["steps"], record.id) for record in records)
    said = call("plates", "lineage", "diff", twelve[1], fourteen[1], "--page", "diff.html").stdout
    assert "train.steps: 12 -> 14   Length of the run" in said
    assert "mAP 0." in said
    assert "The same: photographs, code" in said
    page = html.unescape((root / "diff.html").read_text())
    assert "train.steps: 12 -> 14" in page
    assert twelve[1][:8] in page
    assert fourteen[1][:8] in page
    photograph = next(root.glob("data/sample/ccpd_base/*.jpg"))
    history = call("plates", "lineage", "of", str(photograph)).stdout
    assert all(id[:8] in history for _, id in (twelve, fourteen))
    assert f"of record {fourteen[1][:8]}" in call("plates", "lineage", "of", "models/export/model").stdout
    assert locked(root)["checkpoint"] != first["checkpoint"]
    back = call("plates", "run", "--set", "train.steps=12")
    for name in ("checkpoint", "evaluation", "exported_model"):
        assert f"  {name} (" not in back.stdout, f"{name} was made again"
        assert locked(root)[name] == first[name], name
    edit.write(root / "params.yaml", edit.parse(["train.steps=9"]))
    call("plates", "lineage", "restore", twelve[1])
    assert "steps: 12" in (root / "params.yaml").read_text()
