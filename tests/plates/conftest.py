"""One run of the toy, both heads, for all that is asked of a finished run and of what is exported from it."""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from once import once
from PIL import Image

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
sys.path.insert(0, str(Path(__file__).parent / "efficientdet" / "training"))  # toy

SCALE = 3
"""Pixels of a photograph per pixel of the toy's pictures."""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[str]]:
    """The result of `toy.train_both`, and what it said."""
    import toy

    said: list[str] = []
    return toy.train_both(tmp_path_factory.mktemp("run"), said.append), said


@pytest.fixture(scope="session")
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's best weights."""

    def make(folder: Path) -> None:
        shutil.copytree(request.getfixturevalue("run")[0].checkpoint, folder)

    return once(tmp_path_factory, "toy_checkpoint", make)


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy in every format."""
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.config import ExportConfig, NmsConfig
    from plates.efficientdet.inference.export import describe, export
    from plates.efficientdet.inference.runtimes import FILES

    def make(folder: Path) -> None:
        detector = saved_detector.load(checkpoint)
        config = ExportConfig(score_threshold=0.05)
        description = describe(detector, NmsConfig(), config, {"promise": 0.1}, "0123456789abcdef.dir")
        export(detector, description, FILES, folder)

    return once(tmp_path_factory, "toy_exported", make)


@pytest.fixture(scope="session")
def toy_photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[float, float, float, float]]:
    """JPEGs of what the toy was trained on, larger, and the box in each: xmin, ymin, xmax, ymax in pixels."""
    import toy

    folder = tmp_path_factory.mktemp("photographs")
    made = {}
    for images, targets in toy.batches(1):
        for number, (pixels, (box, _)) in enumerate(zip(images, targets["gt_boxes"], strict=True)):
            file = folder / f"{number}.jpg"
            file.write_bytes(jpeg(pixels, toy.SIDE * SCALE))
            ymin, xmin, ymax, xmax = (box * SCALE).tolist()
            made[file] = (xmin, ymin, xmax, ymax)
    return made


def jpeg(pixels: np.ndarray, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
