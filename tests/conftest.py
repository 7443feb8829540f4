"""What tests of every folder share: the real photographs, projects of their own to run, and a trained toy."""

import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clones import Command, clone, commands, home
from once import once
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"
SMALL = (
    *("data.sample.count=80", "model.image_size=96x160", "anchors.min_recall=0.5"),
    *("train.steps=12", "train.batch_size=4", "gate.min_value=0", "export.formats=[onnx]"),
)
"""Settings of a run of a minute or two."""

os.environ["DVC_NO_ANALYTICS"] = "1"
sys.path.insert(0, str(Path(__file__).parent / "plates" / "efficientdet" / "training"))  # toy

SCALE = 3
"""Pixels of a photograph per pixel of the toy's pictures."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photographs and the reference's numbers, which lie beside the project where it is developed."""
    if not SHARED.is_dir():
        pytest.skip(f"no real photographs and reference numbers at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[Path, Command]:
    """A project in which nothing has run yet."""
    folder = clone(tmp_path / "project")
    return folder, commands(folder)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which `plates run` went from nothing to a champion on a small sample. Not to be changed."""

    def make(folder: Path) -> None:
        commands(clone(folder))("plates", "run", *(word for setting in SMALL for word in ("--set", setting)))

    return once(tmp_path_factory, "first_run", make)


@pytest.fixture(scope="module")
def finished(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Command]:
    """A copy of `first_run` for one module's tests, which may change it."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(first_run, folder, symlinks=True)
    home(folder)
    return folder, commands(folder)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[str]]:
    """The result of `toy.train_all`, and what it said."""
    import toy

    said: list[str] = []
    return toy.train_all(tmp_path_factory.mktemp("run"), said.append), said


@pytest.fixture(scope="session")
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's best weights."""

    def make(folder: Path) -> None:
        shutil.copytree(request.getfixturevalue("run")[0].checkpoint, folder)

    return once(tmp_path_factory, "toy_checkpoint", make)


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy in every format that is the checkpoint's own numbers."""
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.config import ExportConfig, NmsConfig
    from plates.efficientdet.inference.export import WRITERS, describe, export

    def make(folder: Path) -> None:
        detector = saved_detector.load(checkpoint)
        config = ExportConfig(score_threshold=0.05)
        description = describe(detector, NmsConfig(), config, {"promise": 0.1}, "0123456789abcdef.dir")
        export(detector, description, WRITERS, folder)

    return once(tmp_path_factory, "toy_exported", make)


@pytest.fixture(scope="session")
def suppressing(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy in files with NMS inside, voting too: those that are used without this project."""
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.config import ExportConfig, NmsConfig
    from plates.efficientdet.inference.export import describe, export

    def make(folder: Path) -> None:
        config = ExportConfig(score_threshold=0.05, nms_inside=True)
        detector = saved_detector.load(checkpoint)
        export(detector, describe(detector, NmsConfig(voting=0.8), config), ["onnx", "litert"], folder)

    return once(tmp_path_factory, "toy_suppressing", make)


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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that take long come first, so that two processes end together.

    The one that makes `first_run` is followed by those that do without it: the other process has no need to wait.
    """
    waiting = {item.path for item in items if "first_run" in getattr(item, "fixturenames", ())}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    first = next((item.path for item in items if item.path in waiting), None)
    items.sort(key=lambda item: (item.path != first, item.path not in slow - waiting, item.path not in waiting))
