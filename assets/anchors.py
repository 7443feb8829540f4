"""Aspect ratios and scales fitted to the training boxes by k-means on IoU, and the recall that they reach.

`model.aspect_ratios: auto` makes the detector use them. Also measured: the recall of the anchors it will use.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from plates.errors import UserError
from plates.files import write_json
from plates.scoring.truth import truth
from plates.settings.project import Project
from stages.run import Run
from stages.stage import asset


@asset(
    reads=["data/boxes.parquet", "data/splits.parquet"],
    params=["model", "anchors"],
    writes=["data/anchors.json"],
    group="data",
    kinds={"json", "numpy"},
    description=__doc__,
)
def anchors(run: Run) -> dict[str, Any]:
    found = measure(run.project)
    write_json(run.project.path("data/anchors.json"), found.fit.to_json() | {"used": found.used})
    return {
        "boxes": len(found.sizes),
        "fitted ratios": ", ".join(f"{ratio:g}" for ratio in found.fit.aspect_ratios),
        "fitted scale": str(found.fit.anchor_scale),
        "recall of the fit": found.fit.best_possible_recall,
        "recall of the model's anchors": found.used["best_possible_recall"],
        "mean best IoU of the model's anchors": found.used["mean_best_iou"],
        "boxes over anchors": dg.MetadataValue.md(picture(found)),
    }


@dataclass(frozen=True)
class Measured:
    """`fit` (an `AnchorFit`), the figures of the model's own anchors in `used`, and the `sizes` [N, 2] of the boxes.

    Sizes are (width, height) in pixels of the network's input.
    """

    fit: Any
    used: dict[str, Any]
    sizes: np.ndarray


def measure(project: Project) -> Measured:
    """Fits anchors to the project's training boxes, and measures the ones its model will use."""
    from plates.efficientdet.model import anchor_fit
    from plates.efficientdet.model.family import resolve

    model, params = project.params.model, project.params.anchors
    boxes = truth(project, "train").dropna(subset=["class"])
    if boxes.empty:
        raise UserError("no training photograph has a box: look at `splits`, or plates inspect data/boxes.parquet")
    geometry = resolve(model, num_classes=1, aspect_ratios=[1.0])
    height, width = geometry.image_size
    scale = np.minimum(height / boxes["height"].to_numpy(float), width / boxes["width"].to_numpy(float))[:, None]
    low, high = boxes[["xmin", "ymin"]].to_numpy(float) * scale, boxes[["xmax", "ymax"]].to_numpy(float) * scale
    sizes, centres = high - low, (low + high) / 2
    held = {} if model.anchor_scale is None else {"anchor_scale": model.anchor_scale}
    fit = anchor_fit.fit(
        sizes,
        geometry,
        num_scales=model.num_scales,
        max_ratios=params.max_ratios,
        max_scales=params.max_scales,
        centres=centres,
        seed=params.seed,
        **held,
    )
    spec = resolve(model, num_classes=1, aspect_ratios=fit.aspect_ratios)
    reached = anchor_fit.reach(sizes, centres, spec)
    sample = np.random.default_rng(params.seed).choice(len(sizes), min(len(sizes), anchor_fit.GRID_SAMPLE), False)
    used = {
        "aspect_ratios": spec.aspect_ratios,
        "num_scales": spec.num_scales,
        "anchor_scale": spec.anchor_scale,
        "best_possible_recall": reached.recall,
        "mean_best_iou": reached.mean_iou,
        "positives_per_box": anchor_fit.positives_per_box(sizes[sample], centres[sample], spec),
    }
    return Measured(fit, used, sizes)


def picture(found: Measured) -> str:
    """The boxes' sizes with the anchors over them, as Markdown that Dagster's UI shows."""
    import tempfile

    from PIL import Image

    from plates.efficientdet.model.anchor_fit import plot
    from plates.pages.pictures import Picture
    from plates.pages.sheets import markdown_plot

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "anchors.png"
        plot(found.fit, found.sizes, path)
        with Image.open(path) as image:
            return markdown_plot(Picture(image.convert("RGB"), "boxes over anchors"))
