"""Each file operation of an asset's body fails once, as in SQLite's tests: nothing is half-written, it recovers."""

import json
import logging
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from clones import ROOT
from power.failing import failing, kinds

import assets
from plates.ccpd.scenes import generate
from plates.hashes import content_hash
from plates.settings.project import Project
from plates.suspects import decisions
from stages import snapshot
from stages.faults import in_words
from stages.run import Run
from stages.stage import Stage

GRAPH = assets.graph()
WRITERS = assets.writers(GRAPH)
FAST = ("raw_images", "labels", "splits", "tfrecords", "anchors")
DATA = (*FAST, "boxes")
EXPORT = "models/export/model"
KEPT = ("data", "reports", ".plates")
"""Folders that the data assets write to."""
ALL_KEPT = (*KEPT, "models", "metrics", "plots")
PARAMS = """data: {{root: {root}, class_by: {classes}}}
split: {{seed: {seed}}}
tfrecords: {{workers: 1, seed: {seed}}}
model: {{image_size: 96x160, fpn_num_filters: 16, fpn_cell_repeats: 1, box_class_repeats: 1}}
train: {{steps: 2, batch_size: 2, eval_every: 2, checkpoint_every: 1}}
export: {{formats: [saved_model]}}
anchors: {{seed: {seed}}}
validation: {{max_class_share: 1.0}}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a dozen photographs whose data assets ran, first with one seed and then with another."""
    root = tmp_path_factory.mktemp("project")
    generate(root / "photographs", count=24, seed=3)
    place(ROOT / decisions.FILE, root / decisions.FILE)
    for seed, kept in ((1, "old"), (0, "new")):
        settings(root, seed)
        for name in GRAPH:
            if name in DATA:
                run(root, GRAPH[name])
        for folder in KEPT:
            shutil.copytree(root / folder, root / kept / folder)
    return root


def make_inputs(root: Path, name: str) -> None:
    """Runs what the stage reads from and is not there."""
    for path in GRAPH[name].reads:
        if not (root / path).exists():
            make_inputs(root, WRITERS[path].name)
            run(root, WRITERS[path])


def settings(root: Path, seed: int) -> None:
    classes = "plate" if seed == 0 else "plate_type"
    (root / "params.yaml").write_text(PARAMS.format(root=root / "photographs", seed=seed, classes=classes))


def run(root: Path, stage: Stage) -> None:
    project = Project(root)
    stage.body(Run(project, stage, snapshot.take(project, stage).version, logging.getLogger("test"), "run"))


def outcome(root: Path, stage: Stage) -> str | None:
    """What is said of the body's error; None where it went through in spite of the failure."""
    try:
        run(root, stage)
    except Exception as error:
        if words := in_words(error, root):
            return words
        raise
    return None


def versions(root: Path, stage: Stage) -> list[str]:
    return [whole(root / path) if path == EXPORT else content_hash(root / path) for path in stage.versioned]


def whole(export: Path) -> str:
    """What tells an export from another: a SavedModel of the same network has other bytes each time."""
    if not (export / "hashes.json").exists():
        return content_hash(export)
    for name, version in json.loads((export / "hashes.json").read_text()).items():
        assert version in {content_hash(part) for part in export.iterdir()}, f"{name} is not whole"
    return "whole"


def reset(root: Path, folders: Sequence[str]) -> None:
    for folder in folders:
        remove(root / folder)
        place(root / "new" / folder, root / folder)


def before(root: Path, stage: Stage, folders: Sequence[str]) -> None:
    """All is new but what the stage writes."""
    reset(root, folders)
    for path in stage.versioned:
        remove(root / path)
        place(root / "old" / path, root / path)


def fails(
    chosen: int | str, root: Path, stage: Stage, folders: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Runs the stage with one operation that fails, and then again. Gives what failed."""
    allowed = [versions(root / kept, stage) for kept in ("old", "new")]
    before(root, stage, folders)
    with failing(monkeypatch, chosen, root) as failed:
        said = outcome(root, stage)
    assert failed == [] or said is None or "No space" in said or "full" in said, f"{failed} {chosen}: {said}"
    for path, version, old, new in zip(stage.versioned, versions(root, stage), *allowed, strict=True):
        assert version in (old, new), f"{failed} {chosen}: {path} is neither the old nor the new"
    run(root, stage)
    assert versions(root, stage) == allowed[1], f"{failed} {chosen}"
    assert not [left for folder in folders for left in (root / folder).rglob("*.tmp")], f"{failed} {chosen}"
    return failed


@pytest.mark.parametrize("name", FAST)
def test_whatever_call_fails(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(root, 0)
    numbers = count()
    while fails(next(numbers), root, GRAPH[name], KEPT, monkeypatch):
        pass
    assert next(numbers) > 4, "nothing was made to fail"


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns in a process of its own: TensorFlow keeps what it has traced as long as its process lives."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return pool.submit(work, *arguments).result()


def kinds_of(root: Path, name: str) -> list[str]:
    with pytest.MonkeyPatch.context() as patch, kinds(patch, root) as found:
        run(root, GRAPH[name])
    return list(found)


def kind_fails(kind: str, root: Path, name: str, folders: Sequence[str]) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        return fails(kind, root, GRAPH[name], folders, patch)


@pytest.mark.long
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("name", ["boxes", "dataset_card", "checkpoint", "evaluation", "exported_model"])
def test_whatever_kind_of_call_fails(name: str, root: Path) -> None:
    """Of assets that take seconds the first operation of each kind fails: its name, the suffix of its file.

    What TensorFlow and HDF5 write without Python is not seen.
    """
    settings(root, 0)
    reset(root, KEPT)
    apart(make_inputs, root, name)
    for path in GRAPH[name].versioned:
        remove(root / "old" / path)
        old = root / "old" / path / ("" if Path(path).suffix else "old")
        old.parent.mkdir(parents=True, exist_ok=True)
        old.write_text("old")
        remove(root / path)
        place(root / "old" / path, root / path)
    found = apart(kinds_of, root, name)
    folders = [folder for folder in ALL_KEPT if (root / folder).exists()]
    for folder in folders:
        remove(root / "new" / folder)
        place(root / folder, root / "new" / folder)
    assert len(found) > 3, "nothing can be made to fail"
    for number, kind in enumerate(found, 1):
        assert apart(kind_fails, kind, root, name, folders) == [kind]
        print(f"{name} {number} of {len(found)}: {kind}", flush=True)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
