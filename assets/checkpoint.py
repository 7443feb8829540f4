"""The fine-tuned detector: best and last weights, the effective parameters and the history of the run.

A killed run continues from its last saved state, exactly as if it had not been killed; a state from other data,
parameters or weights is moved aside, never resumed. Training stops at the first step it cannot learn from, and says
why.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from plates.efficientdet.config import AugmentConfig, ModelConfig
from plates.errors import UserError
from plates.files import read_json
from plates.hashes import content_hash
from plates.settings.project import Project
from stages.run import Run
from stages.stage import asset

# Seconds per step, written as training runs. Not a result: times differ from run to run, so no stage declares it.
STEPS = "metrics/history.csv"


@asset(
    reads=["data/tfrecords", "data/anchors.json", "data/preflight.txt"],
    params=["model", "train", "augment"],
    writes=["models/checkpoint"],
    group="model",
    kinds={"tensorflow", "keras"},
    description=__doc__,
    keeps="the training up to its last saved step",
    pool="gpu",
)
def checkpoint(run: Run) -> dict[str, Any]:
    import tensorflow as tf

    from plates.efficientdet.data.tfrecords import read_manifest
    from plates.efficientdet.evaluation.report import curves
    from plates.efficientdet.training import devices
    from plates.efficientdet.training.class_weights import effective_distribution
    from plates.efficientdet.training.loop import train
    from plates.pages import plots
    from plates.pages.sheets import markdown_plot

    path, params = run.project.path, run.params
    devices.strategy(params.train.strategy)
    manifest = read_manifest(path("data/tfrecords"))
    spec, data = prepared(run.project)
    bar = run.progress("training steps")
    try:
        result = train(
            spec,
            params.train,
            data,
            path("models/checkpoint"),
            run.project.scratch / "training",
            initialise=initialiser(params.model, run.project.scratch / "weights"),
            fingerprint={
                "code": run.version,
                "records": content_hash(path("data/tfrecords")),
                "pretrained": identity(params.model.pretrained),
                "teacher": identity(params.train.teacher) if params.train.teacher else None,
            },
            say=run.progress.say,
            on_row=lambda row, steps: bar(row.step, steps),
            step_log=run.project.root / STEPS,
            tensorboard=run.project.scratch / "tensorboard",
        )
    except tf.errors.DataLossError as error:
        said = "data/tfrecords: the CRC of an example is wrong, so a shard was damaged after it was written"
        raise UserError(f"{said}. Write them again: plates materialize tfrecords") from error
    for warning in result.warnings:
        run.log.warning(warning)
    return {
        "steps": result.steps,
        f"best validation {result.figure}": result.best if result.best is not None else "not evaluated",
        "best step": result.best_step,
        "pretrained": result.loaded.say() if result.loaded else "none: random weights",
        "loss": dg.MetadataValue.md(markdown_plot(plots.picture(curves.loss(result.history), "loss"))),
        "class shares in training": dg.MetadataValue.json(
            {
                name: round(share, 4)
                for name, share in effective_distribution(manifest.class_counts["train"], params.train).items()
            }
        ),
        "warnings": dg.MetadataValue.md("\n".join(f"- {warning}" for warning in result.warnings) or "none"),
    }


def prepared(project: Project, augment: AugmentConfig | None = None) -> tuple[Any, Any]:
    """The project's `Spec` and the `Data` to train it on, augmented by the project's settings or by `augment`."""
    from plates.efficientdet.data.tfrecords import read_manifest
    from plates.efficientdet.model.family import check_classes, resolve
    from plates.efficientdet.training.data import from_tfrecords

    path, params = project.path, project.params
    fitted = read_json(path("data/anchors.json"))
    label_map = read_manifest(path("data/tfrecords")).label_map
    check_classes(params.model.label_map, params.model.num_classes, label_map)
    spec = resolve(params.model, num_classes=max(label_map), aspect_ratios=fitted["aspect_ratios"])
    return spec, from_tfrecords(path("data/tfrecords"), spec, params.train, augment or params.augment)


def identity(weights: str) -> list[str]:
    """What identifies trained weights: their name, and the hash of a file or folder."""
    from plates.efficientdet.checkpoints.load import checkpoint_in

    given = checkpoint_in(Path(weights))
    return [weights, content_hash(given)] if given.exists() else [weights]


def initialiser(model: ModelConfig, cache: Path) -> Any:
    """What to load into the fresh network: `model.pretrained`, downloaded to `cache`; None for random weights."""
    if model.pretrained == "none":
        return None
    from plates.efficientdet import checkpoints

    return lambda network: checkpoints.load_pretrained(network, model, cache)
