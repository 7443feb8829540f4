"""What tests of every folder share: the real photographs, and projects of their own to run."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clones import Command, clone, commands, home
from once import once

SHARED = Path(__file__).resolve().parents[2] / "shared"
SMALL = (
    *("data.sample.count=80", "model.image_size=96x160", "anchors.min_recall=0.5"),
    *("train.steps=12", "train.batch_size=4", "gate.min_value=0"),
)
"""Settings of a run of a minute or two."""

os.environ["DVC_NO_ANALYTICS"] = "1"


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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that take long come first, so that two processes end together.

    The one that makes `first_run` is followed by those that do without it: the other process has no need to wait.
    """
    waiting = {item.path for item in items if "first_run" in getattr(item, "fixturenames", ())}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    first = next((item.path for item in items if item.path in waiting), None)
    items.sort(key=lambda item: (item.path != first, item.path not in slow - waiting, item.path not in waiting))
