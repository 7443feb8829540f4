"""Small projects that are run in this process, without Dagster and DVC: what a fault is injected into."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets import graph
from plates.settings.edit import write
from plates.settings.project import Project
from stages.run import Run

ROOT = Path(__file__).resolve().parents[2]
SMALL: dict[str, Any] = {
    "data.sample.count": 320,
    "model.image_size": "96x160",
    "model.aspect_ratios": "auto",
    "anchors.min_recall": 0.85,
    "train.steps": 60,
    "train.batch_size": 8,
    "train.assignment": "iou",
    "augment.crop_height": 1.0,
    "nms.voting": 0.0,
    "train.eval_every": 20,
    "model.fpn_num_filters": 32,
    "model.fpn_cell_repeats": 1,
    "model.box_class_repeats": 2,
    "evaluation.pictures": 0,
    "split.val_fraction": 0.15,
    "split.test_fraction": 0.25,
}
FIRST = {"train.steps": 300, "train.eval_every": None, "model.pretrained": "none"}
"""The training that a healthy project has had."""
DATA = ("raw_images", "labels", "boxes", "splits", "tfrecords", "anchors")
MODEL = ("checkpoint", "evaluation")


def make(folder: Path, settings: Mapping[str, Any] | None = None) -> Project:
    """A project with the settings, up to its data."""
    folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", "label_decisions.csv"):
        shutil.copy(ROOT / name, folder / name)
    change(folder, SMALL | dict(settings or {}))
    project = Project(folder)
    run(project, *DATA)
    return project


def copy(project: Project, folder: Path) -> Project:
    """The same project somewhere else; photographs are shared."""
    shutil.copytree(project.root, folder, ignore=shutil.ignore_patterns("sample", "metrics", "reports"))
    (folder / "data" / "sample").symlink_to(project.photographs)
    return Project(folder)


def change(folder: Path, settings: Mapping[str, Any]) -> Project:
    """The project with other parameters."""
    write(folder / "params.yaml", settings)
    return Project(folder)


def run(project: Project, *names: str) -> None:
    """Materializes assets, one after the other."""
    stages = graph()
    for name in names:
        stage_run = Run(project, stages[name], "0", dg.get_dagster_logger(), "0")
        try:
            stages[name].body(stage_run)
        finally:
            stage_run.progress.close()
