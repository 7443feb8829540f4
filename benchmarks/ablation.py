"""What each lever gives: `make ablation`. It takes hours, and resumes: figures are kept in `results/ablation.jsonl`.

    python benchmarks/ablation.py [--lever NAME]... [--seeds 0 1 2] [--minutes 600]

Every row is the default run on the sample without voting, with some settings changed, once for each seed, and compared
with the row without changes, of the same seed and machine, on the same photographs (paired bootstrap, plate by plate).
Settings of `nms` need no training: such a row scores the checkpoint of the row without them. Writes the table in
`docs/ablation.md`. Several may run at once, with different levers; their seconds then count for little.
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
from plates.metrics import EVALUATION, measured  # noqa: E402
from plates.scoring.compare import compare  # noqa: E402
from plates.scoring.detections import parts  # noqa: E402
from plates.scoring.truth import truth  # noqa: E402
from plates.settings.project import Project  # noqa: E402

WORK = ROOT / ".plates" / "ablation"
RESULTS = Path(__file__).parent / "results" / "ablation.jsonl"
PAGE = ROOT / "docs" / "ablation.md"
SHOWN = {"mAP": "mAP (95%)", "mAP50": "mAP50", "mAP75": "mAP75", "ccpd_score": "CCPD score"}
PLAIN = "plain"
SECONDS, VAL = "seconds", "val.json"
CHANGED = {"export.formats": ["onnx"], "evaluation.pictures": 0, "nms.voting": 0.0}
LEVERS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "default": {"nms.voting": 0.65},
    "iou": {"train.assignment": "iou"},
    "wide jitter": {"augment.jitter_min": 0.6, "augment.jitter_max": 1.5},
    "whole pictures": {"augment.crop_height": 1.0, "train.steps": 150},
    "copy paste": {"augment.copy_paste": 0.5},
    "corners": {"model.heads": ["object_detection", "corners"]},
    "qfl": {"train.quality_loss": "qfl"},
    "vfl": {"train.quality_loss": "vfl"},
    "ciou": {"train.iou_loss_type": "ciou", "train.iou_loss_weight": 5.0},
    "larger input": {"model.image_size": "320x512", "augment.crop_height": 0.25, "train.steps": 260},
    "narrow": {"model.fpn_num_filters": 48, "train.steps": 380},
    "wide": {"model.fpn_num_filters": 88, "train.steps": 310},
    "one cell": {"model.fpn_cell_repeats": 1, "train.steps": 370},
    "efficientnet-b0": {
        **{"model.backbone": "efficientnet-b0", "augment.crop_height": 0.33, "train.assignment": "atss"},
        **{"train.steps": 90},
    },
    "efficientnetv2-b0": {
        **{"model.backbone": "efficientnetv2-b0", "model.pretrained": ".plates/ablation/imagenet.weights.h5"},
        **{"train.var_freeze_expr": "efficientnetv2-b0/(stem|blocks_[0-2])/", "augment.crop_height": 1.0},
        **{"train.assignment": "atss", "train.batch_size": 8, "train.learning_rate": 0.012, "train.steps": 260},
    },
    "teacher": {"train.teacher": ".plates/ablation/teacher/models/checkpoint", "train.steps": 200},
    "ciou, voting": {"train.iou_loss_type": "ciou", "train.iou_loss_weight": 5.0, "nms.voting": 0.65},
    "copy paste, voting": {"augment.copy_paste": 0.5, "nms.voting": 0.65},
    "ciou, copy paste": {"train.iou_loss_type": "ciou", "train.iou_loss_weight": 5.0, "augment.copy_paste": 0.5},
    "together": {
        **{"train.iou_loss_type": "ciou", "train.iou_loss_weight": 5.0},
        **{"augment.copy_paste": 0.5, "nms.voting": 0.65},
    },
}
"""The settings of each row; the steps are as many as fit into the time of the plain one."""
TEACHER = {
    **{"model.name": "efficientdet-d0", "model.image_size": "240x384", "model.max_level": 5},
    **{"model.aspect_ratios": [1.8, 2.5, 3.4], "model.anchor_scale": 2.5},
    **{"augment.crop_height": 0.33, "train.batch_size": 16},
}
"""D0 with the input and the anchors of the small detector. The time of its training is not in the row's."""


def main() -> None:
    """Runs what is not done within the time, then writes the table of what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lever", action="append", choices=LEVERS, help="of these alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=600)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    end = time.monotonic() + 60 * arguments.minutes
    for seed in arguments.seeds:
        for lever in arguments.lever or LEVERS:
            if (lever, seed) in done():
                continue
            if (file := LEVERS[lever].get("model.pretrained")) and not Path(file).exists():
                print(f"{lever}: left out, as {file} is missing. Put Keras's ImageNet weights without top there")
                continue
            if time.monotonic() > end:
                print("out of time: run it again to continue")
                return write()
            figures = run(lever, seed)
            print(f"{lever}, seed {seed}: mAP {figures['mAP']:.3f} in {figures['seconds']:.0f} CPU s", flush=True)
    return write()


def done() -> dict[tuple[str, int], dict[str, Any]]:
    """What is known, by lever and seed. Figures of other settings than the lever's now do not count."""
    if not RESULTS.exists():
        return {}
    rows = map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
    return {(row["lever"], row["seed"]): row for row in rows if row["settings"] == LEVERS.get(row["lever"])}


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


def trained(lever: str, seed: int) -> Project:
    """The row's project with its checkpoint, trained once on this machine."""
    folder = WORK / "trained" / lever / str(seed)
    if not folder.exists():
        if "train.teacher" in LEVERS[lever]:
            teacher()
        with atomic(folder) as temporary:
            projects.copy(base(), temporary)
            project = projects.change(temporary, CHANGED | {"train.seed": seed} | LEVERS[lever])
            began = time.process_time()
            projects.run(project, "checkpoint")
            (temporary / SECONDS).write_text(str(time.process_time() - began), encoding="utf-8")
    return Project(folder)


def scored(lever: str, seed: int) -> Project:
    """The row's project with the evaluation on test, the exported model, and the figures on val in `VAL`."""
    folder = WORK / "scored" / lever / str(seed)
    if not folder.exists():
        settings = LEVERS[lever]
        learned = {key: value for key, value in settings.items() if not key.startswith("nms.")}
        of = next((name for name, others in LEVERS.items() if others == learned), lever)
        healthy = trained(of, seed)
        with atomic(folder) as temporary:
            projects.copy(healthy, temporary)
            project = projects.change(temporary, settings | {"evaluation.split": "val"})
            projects.run(project, "evaluation")
            write_json(temporary / VAL, figures_of(project))
            projects.run(projects.change(temporary, {"evaluation.split": "test"}), "evaluation", "exported_model")
    return Project(folder)


def run(lever: str, seed: int) -> dict[str, Any]:
    """One row with one seed: its figures, which are kept."""
    plain, project = scored(PLAIN, seed), scored(lever, seed)
    model = saved_detector.load(project.path("models/checkpoint"))
    row = {
        **{"lever": lever, "seed": seed, "settings": LEVERS[lever], **figures_of(project)},
        "intervals": json.loads(project.path(EVALUATION).read_text(encoding="utf-8"))["intervals"],
        "val": json.loads(project.path(VAL).read_text(encoding="utf-8")),
        "gain": gain(plain, project),
        "seconds": round(float(project.path(SECONDS).read_text(encoding="utf-8"))),
        "parameters": model.network.count_params(),
        "ms": round(milliseconds(open_network(project.path("models/export/model"), "onnx"))[1], 2),
        "machine": machine(),
    }
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


def figures_of(project: Project) -> dict[str, float]:
    """The figures of the last evaluation."""
    return measured(json.loads(project.path(EVALUATION).read_text(encoding="utf-8")))


def table() -> str:
    """Markdown: each row that is done, its means over the seeds, and what it gains over the default."""
    columns = ["lever", "seeds", "val mAP", "val mAP50", *(f"test {said}" for said in SHOWN.values())]
    columns += ["test mAP against plain", "CPU s of training", "parameters", "ms"]
    rows = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    for lever, settings in LEVERS.items():
        found = pd.DataFrame([row for (name, _), row in sorted(done().items()) if name == lever])
        if found.empty:
            continue
        scores = [
            "{:.3f} ({:.3f} to {:.3f})".format(found[name].mean(), *np.mean([i[name] for i in found["intervals"]], 0))
            for name in SHOWN
        ]
        val = pd.DataFrame(list(found["val"]))
        gains = "{difference:+.3f} ({low:+.3f} to {high:+.3f})".format(**pd.DataFrame(list(found["gain"])).mean())
        row = [
            ", ".join(f"`{key}: {value}`" for key, value in settings.items()).replace("|", r"\|") or lever,
            str(len(found)),
            *(f"{val[name].mean():.3f}" for name in ("mAP", "mAP50")),
            *scores,
            gains if settings else "",
            *(
                f"{found[cost].mean():{form}}"
                for cost, form in (("seconds", ".0f"), ("parameters", ",.0f"), ("ms", ".1f"))
            ),
        ]
        rows.append(f"| {' | '.join(row)} |")
    return "\n".join(rows)


def gain(plain: Project, project: Project) -> dict[str, float]:
    """The gain in mAP over the plain run of the same seed, and its 95% interval."""
    params = project.params
    expected = truth(project, params.evaluation.split, with_regions=True)
    first, second = (parts(each.path("data/detections.parquet")) for each in (plain, project))
    size = saved_detector.load(project.path("models/checkpoint")).spec.image_size
    found = compare(first, second, expected, {1: "license_plate"}, size, params.evaluation.max_detections)
    whole = found[found["figure"] == "mAP"].iloc[0]
    return {name: round(float(whole[name]), 4) for name in ("difference", "low", "high")}


def write() -> None:
    """Puts the table in the page, between its marks."""
    before, after = re.split(
        r"(?s)(?<=<!-- made by make ablation -->\n).*(?=\n<!-- end -->)", PAGE.read_text(encoding="utf-8")
    )
    with atomic(PAGE) as temporary:
        temporary.write_text(before + table() + after, encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
