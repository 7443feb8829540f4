"""What each lever gives: `make ablation`. It takes hours, and resumes: what is done is kept in `.plates/ablation`.

    python benchmarks/ablation.py [--lever NAME]... [--seeds 3] [--minutes 600]

Every row is the default run on the sample with some settings changed, once for each seed, and compared with the default
run of the same seed on the same photographs (paired bootstrap, plate by plate). Writes the table in `docs/ablation.md`.
"""

import argparse
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

from faults import project as projects  # noqa: E402
from measure import machine  # noqa: E402

from plates.efficientdet.checkpoints import saved_detector  # noqa: E402
from plates.efficientdet.inference.runtimes import open_network  # noqa: E402
from plates.efficientdet.inference.speed import milliseconds  # noqa: E402
from plates.files import atomic, write_json  # noqa: E402
from plates.metrics import METRICS  # noqa: E402
from plates.scoring.compare import compare  # noqa: E402
from plates.scoring.detections import parts  # noqa: E402
from plates.scoring.truth import truth  # noqa: E402
from plates.settings.project import Project  # noqa: E402

WORK = ROOT / ".plates" / "ablation"
PAGE = ROOT / "docs" / "ablation.md"
SHOWN = {"mAP": "mAP (95%)", "mAP50": "mAP50", "mAP75": "mAP75", "ccpd_score": "CCPD score"}
DEFAULT = "default"
CHANGED = {"export.formats": ["onnx"], "evaluation.pictures": 0}
LEVERS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "wide jitter": {"augment.jitter_min": 0.6, "augment.jitter_max": 1.5},
    "whole pictures": {"augment.crop_height": 1.0, "train.steps": 150},
    "small batch": {"train.batch_size": 8, "train.steps": 1050},
    "both": {"augment.crop_height": 1.0, "train.batch_size": 8, "train.steps": 500},
    "voting": {"nms.voting": 0.65},
    "copy paste": {"augment.copy_paste": 0.5},
    "atss": {"train.assignment": "atss"},
    "corners": {"model.heads": ["object_detection", "corners"]},
    "qfl": {"train.quality_loss": "qfl"},
    "vfl": {"train.quality_loss": "vfl"},
    "ciou": {"train.iou_loss_type": "ciou", "train.iou_loss_weight": 5.0},
    "larger input": {"model.image_size": "320x512", "augment.crop_height": 0.25, "train.steps": 260},
    "teacher": {"train.teacher": ".plates/ablation/teacher/models/checkpoint", "train.steps": 200},
    "together": {"train.iou_loss_type": "ciou", "train.iou_loss_weight": 5.0, "nms.voting": 0.65},
}
"""The settings of each row; the steps are as many as fit into the time of the default run."""
TEACHER = {
    **{"model.name": "efficientdet-d0", "model.image_size": "240x384", "model.max_level": 5},
    **{"model.aspect_ratios": [1.8, 2.5, 3.4], "model.anchor_scale": 2.5},
    **{"augment.crop_height": 0.33, "train.batch_size": 16},
}
"""D0 with the input and the anchors of the small detector. The time of its training is not in the row's."""


def main() -> None:
    """Runs what is not done within the time, then writes the table of what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lever", action="append", choices=LEVERS, help="of these alone; the default's runs are always made"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=600)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    end = time.monotonic() + 60 * arguments.minutes
    for seed in range(arguments.seeds):
        for lever in dict.fromkeys((DEFAULT, *(arguments.lever or LEVERS))):
            if _folder(lever, seed).exists():
                continue
            if time.monotonic() > end:
                print("out of time: run it again to continue")
                return write()
            figures = run(lever, seed)
            print(f"{lever}, seed {seed}: mAP {figures['mAP']:.3f} in {figures['seconds']:.0f} CPU s", flush=True)
    return write()


def base() -> Project:
    """The project with the sample's data, made once."""
    folder = WORK / "base"
    if not folder.exists():
        with atomic(folder) as temporary:
            temporary.mkdir()
            for name in ("params.yaml", "dvc.yaml", "label_decisions.csv"):
                shutil.copy(ROOT / name, temporary / name)
            projects.run(Project(temporary), *projects.DATA)
    return Project(folder)


def teacher() -> None:
    """Trains D0 on the same data, once."""
    if not (WORK / "teacher").exists():
        shutil.rmtree(WORK / "learning", ignore_errors=True)
        project = projects.change(projects.copy(base(), WORK / "learning").root, TEACHER)
        projects.run(project, "checkpoint")
        project.root.rename(WORK / "teacher")


def run(lever: str, seed: int) -> dict[str, Any]:
    """Trains and scores one row with one seed, keeps its detections, and returns its figures."""
    healthy, folder = base(), WORK / "project"
    if "train.teacher" in LEVERS[lever]:
        teacher()
    shutil.rmtree(folder, ignore_errors=True)
    project = projects.change(projects.copy(healthy, folder).root, CHANGED | {"train.seed": seed} | LEVERS[lever])
    began = time.process_time()
    projects.run(project, "checkpoint")
    seconds = time.process_time() - began
    projects.run(Project(project.root), "evaluation", "exported_model")
    found = json.loads(project.path("metrics/evaluation.json").read_text(encoding="utf-8"))
    model = saved_detector.load(project.path("models/checkpoint"))
    figures = {name: found[name] for name in METRICS if name in found} | {
        "intervals": found["intervals"],
        "seconds": seconds,
        "parameters": model.network.count_params(),
        "ms": milliseconds(open_network(project.path("models/export/model"), "onnx"))[1],
        "image_size": model.spec.image_size,
        "machine": machine(),
    }
    with atomic(_folder(lever, seed)) as kept:
        kept.mkdir()
        shutil.copy(project.path("data/detections.parquet"), kept / "detections.parquet")
        write_json(kept / "figures.json", figures)
    return figures


def table() -> str:
    """Markdown: each row that is done, its means over the seeds, and what it gains over the default."""
    columns = ["lever", "seeds", *SHOWN.values(), "mAP against the default", "CPU s of training", "parameters", "ms"]
    rows = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    for lever, settings in LEVERS.items():
        seeds = [int(path.name) for path in (WORK / "results" / lever).glob("*")]
        if not seeds:
            continue
        figures = pd.DataFrame([_figures(lever, seed) for seed in seeds])
        scores = [
            "{:.3f} ({:.3f} to {:.3f})".format(
                figures[name].mean(), *np.mean([i[name] for i in figures["intervals"]], 0)
            )
            for name in SHOWN
        ]
        gains = pd.DataFrame([gain(lever, seed) for seed in seeds if settings and _folder(DEFAULT, seed).exists()])
        said = "" if gains.empty else "{:+.3f} ({:+.3f} to {:+.3f})".format(*gains.mean())
        name = ", ".join(f"`{key}: {value}`" for key, value in settings.items()) or lever
        costs = [
            f"{figures[cost].mean():{form}}"
            for cost, form in (("seconds", ".0f"), ("parameters", ",.0f"), ("ms", ".1f"))
        ]
        rows.append(f"| {' | '.join([name, str(len(seeds)), *scores, said, *costs])} |")
    return "\n".join(rows)


def gain(lever: str, seed: int) -> dict[str, float]:
    """The gain in mAP over the default run of the same seed, and its 95% interval."""
    project = base()
    params = project.params
    expected = truth(project, params.evaluation.split, with_regions=True)
    files = (_folder(name, seed) / "detections.parquet" for name in (DEFAULT, lever))
    first, second = (parts(file) for file in files)
    size = _figures(lever, seed)["image_size"]
    found = compare(first, second, expected, {1: "license_plate"}, size, params.evaluation.max_detections)
    whole = found[found["figure"] == "mAP"].iloc[0]
    return {name: float(whole[name]) for name in ("difference", "low", "high")}


def write() -> None:
    """Puts the table in the page, between its marks."""
    before, after = re.split(
        r"(?s)(?<=<!-- made by make ablation -->\n).*(?=\n<!-- end -->)", PAGE.read_text(encoding="utf-8")
    )
    with atomic(PAGE) as temporary:
        temporary.write_text(before + table() + after, encoding="utf-8")
    print(table())


def _folder(lever: str, seed: int) -> Path:
    return WORK / "results" / lever / str(seed)


def _figures(lever: str, seed: int) -> dict[str, Any]:
    return json.loads((_folder(lever, seed) / "figures.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
