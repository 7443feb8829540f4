"""Whether three scorers give a project's detections the same figures: ours, hotcoco and COCO's own, pycocotools."""

import pandas as pd

from plates.efficientdet.evaluation import metrics, scorers
from plates.lineage.checkpoint import described, label_map
from plates.scoring.detections import sample
from plates.scoring.truth import truth
from plates.settings.project import Project

MOST = 5_000  # photographs, which pycocotools scores in a minute and 2 GB


def figures(project: Project) -> tuple[int, pd.DataFrame] | None:
    """How many photographs were scored, and the twelve figures, a column for each scorer; None without boxes.

    Scored are the photographs of `evaluation.split` with what `data/detections.parquet` holds of them: all, or a seeded
    sample of `MOST`.
    """
    model = described(project.path("models/checkpoint"))
    if "object_detection" not in model["spec"]["heads"]:
        return None
    labels = label_map(model)
    params = project.params.evaluation
    expected = truth(project, params.split, with_regions=True)
    found, expected = sample(project.path("data/detections.parquet"), expected, MOST)
    tables = (found, expected, labels, params.max_detections)
    ours = metrics.evaluate(*tables).metrics.to_dict()
    by_scorer = {
        "plates": {name: ours[name] for name in scorers.FIGURES},
        "hotcoco": scorers.figures(scorers.hotcoco(*tables)),
        "pycocotools": scorers.figures(scorers.pycocotools(*tables)),
    }
    return expected["image_id"].nunique(), pd.DataFrame(by_scorer).rename_axis("figure")
