"""Each file operation of an asset's body fails once, as in SQLite's tests: nothing is half-written, it recovers."""

import logging
import shutil
from itertools import count
from pathlib import Path

import pytest
from clones import ROOT
from power.failing import failing

import assets
from plates.ccpd.scenes import generate
from plates.errors import UserError
from plates.hashes import content_hash
from plates.settings.project import Project
from plates.suspects import decisions
from stages import snapshot
from stages.run import Run
from stages.stage import Stage

GRAPH = assets.graph()
FAST = ("raw_images", "labels", "splits", "tfrecords", "anchors")
KEPT = ("data", "reports", ".plates")
"""Folders that these assets write to."""
PARAMS = """data: {{root: {root}, class_by: {classes}}}
split: {{seed: {seed}}}
tfrecords: {{workers: 1, seed: {seed}}}
model: {{image_size: 96x160}}
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
        for stage in GRAPH.values():
            if stage.group == "data" and stage.name != "dataset_card":
                run(root, stage)
        for folder in KEPT:
            shutil.copytree(root / folder, root / kept / folder)
    return root


def settings(root: Path, seed: int) -> None:
    classes = "plate" if seed == 0 else "plate_type"
    (root / "params.yaml").write_text(PARAMS.format(root=root / "photographs", seed=seed, classes=classes))


def run(root: Path, stage: Stage) -> None:
    project = Project(root)
    stage.body(Run(project, stage, snapshot.take(project, stage).version, logging.getLogger("test"), "run"))


def outcome(root: Path, stage: Stage) -> str | None:
    """What the body's error says; None where it went through in spite of the failure."""
    try:
        run(root, stage)
    except (OSError, UserError) as error:
        return str(error)
    return None


def versions(root: Path, stage: Stage) -> list[str]:
    return [content_hash(root / path) for path in stage.versioned]


@pytest.mark.parametrize("name", [*FAST, pytest.param("boxes", marks=pytest.mark.long)])
def test_whatever_call_fails(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = GRAPH[name]
    settings(root, 0)
    allowed = [versions(root / kept, stage) for kept in ("old", "new")]
    for number in count():
        for folder in KEPT:
            remove(root / folder)
            place(root / "new" / folder, root / folder)
        for path in stage.versioned:
            remove(root / path)
            place(root / "old" / path, root / path)
        with failing(monkeypatch, number, root) as failed:
            said = outcome(root, stage)
        assert failed == [] or said is None or "No space" in said or "full" in said, f"{failed} {number}: {said}"
        now = versions(root, stage)
        for path, version, old, new in zip(stage.versioned, now, *allowed, strict=True):
            assert version in (old, new), f"{failed} {number}: {path} is neither the old nor the new"
        run(root, stage)
        assert versions(root, stage) == allowed[1], f"{failed} {number}"
        assert not [left for folder in KEPT for left in (root / folder).rglob("*.tmp")], f"{failed} {number}"
        if not failed:
            break
    assert number > 3, "nothing was made to fail"


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def place(source: Path, target: Path) -> None:
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
