"""What the detector must reach: on the default sample, and on the real photographs, which the sample never saw.

Minutes each, so outside CI: `make test-real`. Every figure is printed with the seconds that the run took.
"""

import json
import time
from pathlib import Path

import pandas as pd
import pytest
from clones import clone, commands

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]


def run(folder: Path, *settings: str) -> dict:
    """A whole run in a fresh clone; its metrics."""
    call = commands(clone(folder))
    started = time.monotonic()
    call("plates", "run", *(word for setting in settings for word in ("--set", setting)), timeout=3000)
    metrics = json.loads((folder / "metrics/evaluation.json").read_text())
    show(f"{folder.name}, {time.monotonic() - started:.0f} s", metrics)
    return metrics


def show(what: str, metrics: dict) -> None:
    figures = ", ".join(f"{name} {metrics[name]:.3f}" for name in ("mAP", "mAP50", "mAP75") if name in metrics)
    print(f"\n{what}: {figures} on {metrics['images']} photographs")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def on_sample(work: Path) -> dict:
    return run(work / "sample")


@pytest.fixture(scope="module")
def on_real(work: Path, shared: Path) -> dict:
    return run(work / "real", f"data.root={shared / 'ccpd/CCPD2019'}")


def test_the_default_sample(on_sample: dict) -> None:
    assert on_sample["mAP50"] >= 0.98
    assert on_sample["mAP"] >= 0.70


def test_real_photographs_from_nothing(on_real: dict) -> None:
    assert on_real["mAP50"] >= 0.97
    assert on_real["mAP"] >= 0.62


def test_the_sample_alone_finds_real_plates(work: Path, on_sample: dict, on_real: dict) -> None:
    """Every real photograph, by a detector that never saw one."""
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.config import NmsConfig
    from plates.efficientdet.data.tfrecords import read
    from plates.efficientdet.evaluation.metrics import evaluate
    from plates.efficientdet.inference.predictor import Predictor, detect

    model = saved_detector.load(work / "sample/models/checkpoint")
    shards = sorted((work / "real/data/tfrecords").glob("*.tfrecord"))
    found = detect(
        Predictor(model.network, model.spec, NmsConfig()), (record for shard in shards for record in read(shard))
    )
    boxes = pd.read_parquet(work / "real/data/boxes.parquet")
    truth = boxes.merge(pd.read_parquet(work / "real/data/splits.parquet")[["path", "image_id"]], on="path")
    metrics = evaluate(found, truth, model.label_map).metrics
    show("sample alone, on every real photograph", metrics.to_dict())
    assert metrics.mAP50 >= 0.90


def test_sample_first_then_real_is_no_worse(work: Path, shared: Path, on_sample: dict, on_real: dict) -> None:
    """What starting from the sample's weights gains over starting from nothing; said, and held to be no loss."""
    weights = work / "sample/models/checkpoint/best.weights.h5"
    tuned = run(work / "tuned", f"data.root={shared / 'ccpd/CCPD2019'}", f"model.pretrained={weights}")
    print(f"gain: mAP {tuned['mAP'] - on_real['mAP']:+.3f}, mAP50 {tuned['mAP50'] - on_real['mAP50']:+.3f}")
    assert tuned["mAP"] >= on_real["mAP"] - 0.02
