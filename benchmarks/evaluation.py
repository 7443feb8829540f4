"""An evaluation at CCPD's full scale: 142,000 photographs with one plate and 100 detections each, drawn with a seed.

    python benchmarks/evaluation.py [PHOTOGRAPHS]

Prints seconds, CPU seconds and peak memory of the plain figures, and of all: figures, 1,000 draws, slices, errors
and thresholds. Both start from the file of detections. Then the twelve figures of the first 5,000 photographs are
compared with pycocotools. Writes `benchmarks/results/evaluation.json`.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from measure import measured, save

from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation import scorers
from plates.efficientdet.evaluation.matching import match
from plates.efficientdet.evaluation.metrics import evaluate, summarize
from plates.scoring.detections import SCHEMA, Found, parts, sample
from plates.scoring.mistakes import mistakes
from plates.scoring.scores import scores
from plates.scoring.working_points import calibration, working_points
from plates.settings.params import PromiseParams

LABELS = {1: "license_plate"}
DETECTIONS, OF_THE_PLATE, SHARD = 100, 8, 2_000
JUDGED = 5_000


def main(photographs: int = 142_000) -> None:
    """Times each in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        truth, found = Path(folder) / "truth.parquet", Path(folder) / "detections.parquet"
        draw(photographs, truth, found)
        figures = {
            "plain figures": {"count": photographs, **measured(plain, truth, found)},
            "all figures, slices, errors, 1,000 draws": {"count": photographs, **measured(whole, truth, found)},
        }
        judge(truth, found)
    for name, figure in figures.items():
        spent = f"{figure['seconds']:7.1f} s   CPU {figure['cpu_seconds']:6.1f} s"
        print(f"{name:42} {spent}   peak {figure['peak_mib']:7.0f} MiB")
    save("evaluation", figures)


def draw(photographs: int, truth: Path, found: Path) -> None:
    """Writes both tables: of each plate a few detections that move about it, and the rest anywhere, with low scores."""
    random = np.random.default_rng(0)
    size = np.c_[random.lognormal(5.3, 0.3, photographs), random.lognormal(4.3, 0.3, photographs)]
    low = random.uniform([20, 300], [400, 800], (photographs, 2))
    boxes = np.c_[low, low + size]
    rows = pd.DataFrame(boxes.astype(np.float32), columns=BOX).assign(
        image_id=np.arange(photographs) + 1,
        path=[f"ccpd_base/{number}.jpg" for number in range(photographs)],
        subset=random.choice(["base", "db", "blur", "fn", "rotate", "tilt", "challenge"], photographs),
        width=720,
        height=1160,
        plate=[f"plate {number}" for number in random.integers(0, photographs // 2, photographs)],
        plate_type=random.choice(["blue", "green"], photographs, p=[0.9, 0.1]),
        province=random.choice(["皖", "沪", "苏", "浙"], photographs, p=[0.88, 0.06, 0.04, 0.02]),
        brightness=random.integers(0, 256, photographs),
        blurriness=random.lognormal(3.5, 1.5, photographs).astype(int),
        **{"class": LABELS[1]},
    )
    rows[CORNERS] = boxes[:, [2, 3, 0, 3, 0, 1, 2, 1]]
    rows.to_parquet(truth)
    with pq.ParquetWriter(found, SCHEMA, compression="zstd") as writer:
        for start in range(0, photographs, SHARD):
            part = rows.iloc[start : start + SHARD]
            writer.write_table(pa.Table.from_pandas(_detections(part, random), schema=SCHEMA, preserve_index=False))


def plain(truth: Path, found: Path) -> dict[str, Any]:
    """COCO's twelve figures."""
    expected = pd.read_parquet(truth, columns=["image_id", "class", *BOX])
    metrics = summarize(match(parts(found), expected, LABELS)).metrics
    return {"mAP": metrics.mAP}


def whole(truth: Path, found: Path) -> dict[str, Any]:
    """What the asset `evaluation` computes, thresholds from the same detections."""
    expected = pd.read_parquet(truth)
    figures, boxes = scores(Found(found, None, LABELS, (512, 320)), expected, DETECTIONS)
    assert boxes is not None
    points = working_points(boxes.tally.matches, boxes.tally.matches, PromiseParams())
    calibration(boxes.tally.matches)
    mistakes(found, expected, LABELS, DETECTIONS, points["best_f1"]["threshold"])
    return {"mAP": figures["mAP"], "slices": len(figures["slices"])}


def judge(truth: Path, found: Path) -> None:
    """Stops if a figure differs from pycocotools' in the last digit."""
    tables = (*sample(found, pd.read_parquet(truth), JUDGED), LABELS, DETECTIONS)
    judged, ours = scorers.figures(scorers.pycocotools(*tables)), evaluate(*tables).metrics.to_dict()
    differ = [name for name in judged if judged[name] != ours[name]]
    assert not differ, f"{', '.join(differ)} differ from pycocotools"
    print(f"twelve figures of {JUDGED:,} photographs equal to pycocotools': mAP {judged['mAP']:.6f}")


def _detections(truth: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    count = len(truth)
    corners = np.repeat(truth[BOX].to_numpy(float)[:, None], DETECTIONS, axis=1)
    height = (corners[..., 3] - corners[..., 1])[..., None]
    near = np.arange(DETECTIONS) < OF_THE_PLATE
    corners[:, near] += random.normal(0, 0.12, (count, OF_THE_PLATE, 4)) * height[:, near]
    low = random.uniform(0, [500, 1000], (count, DETECTIONS - OF_THE_PLATE, 2))
    corners[:, ~near] = np.concatenate([low, low + random.uniform(30, 200, low.shape)], axis=-1)
    scores = np.where(near, random.beta(5, 2, (count, DETECTIONS)), random.beta(1, 30, (count, DETECTIONS)))
    scores[:, 1:OF_THE_PLATE] *= 0.3  # as soft NMS leaves them
    order = np.argsort(-scores, axis=1)
    taken = np.take_along_axis(corners, order[..., None], axis=1).reshape(-1, 4).astype(np.float32)
    return (
        pd.DataFrame(taken, columns=BOX)
        .assign(
            image_id=np.repeat(truth["image_id"].to_numpy(), DETECTIONS),
            path=np.repeat(truth["path"].to_numpy(), DETECTIONS),
            subset=np.repeat(truth["subset"].to_numpy(), DETECTIONS),
            score=np.take_along_axis(scores, order, axis=1).ravel().astype(np.float32),
            **{"class": 1},
        )
        .reindex(columns=SCHEMA.names)
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
