"""A power cut or a failing call at any moment of a record, a champion, a state of training, a converted photograph."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from power.disk import lay_out, logged
from power.failing import failing

from models import make, serve
from plates.efficientdet.training import resume
from plates.efficientdet.training.history import History, Row
from plates.errors import UserError
from plates.lineage import champion, record
from plates.photographs.content import Photographs
from plates.photographs.convert import convert_images
from plates.photographs.scan import scan

FINGERPRINT = {"data": "d"}


@dataclass(frozen=True)
class Writer:
    """What is written the n-th time, and what a reader then finds; `before` makes what writing takes for granted."""

    write: Callable[[Path, int], Any]
    read: Callable[[Path], Any]
    at_least: int
    before: Callable[[Path, int], Any] = lambda root, number: None
    rounds: int = 3


def write_record(root: Path, number: int) -> None:
    record.write(root, {"mAP": number / 10}, {"train": {"seed": number}})


def read_record(root: Path) -> list[str]:
    assert record.unfit(root) == []
    return [str(found.metrics["mAP"]) for found in record.read_all(root)]


def before_record(root: Path, number: int) -> None:
    (root / "dvc.lock").write_text("stages: {}\n")
    (root / "params.yaml").write_text(f"train: {{seed: {number}}}\n")


def before_champion(root: Path, number: int) -> None:
    make(root, str(number), number / 10)


def write_champion(root: Path, number: int) -> None:
    serve(root, next(found for found in record.read_all(root) if found.params["name"] == str(number)))


def read_champion(root: Path) -> str | None:
    service = champion.settled(root)  # holds the folder against the record
    if service is None:
        return None
    assert json.loads((root / champion.POINTER).read_text())["record"] == service.record
    assert champion.decisions(root)[-1].after == service.record
    return str(record.find(root, service.record).params["name"])


def arrays(number: int) -> dict[str, np.ndarray]:
    return {name: np.full((3, 3), number, np.float32) for name in ("network.0", "optimizer.0")}


def write_state(root: Path, number: int) -> None:
    if number == 3:
        if (root / "work").exists():
            resume.remove(root / "work")
        return
    rows = [Row(step, *[float(step)] * 11) for step in range(1, number + 1)]
    resume.save(root / "work", arrays(number), resume.Progress(number, history=History(rows)), FINGERPRINT)


def read_state(root: Path) -> int | None:
    progress = resume.load(root / "work", FINGERPRINT, pytest.fail)
    if progress is None:
        return None
    assert [row.step for row in progress.history.rows] == list(range(1, progress.step + 1))
    with np.load(root / "work/state/state.npz") as found:
        assert {name: found[name].tolist() for name in found} == {
            name: array.tolist() for name, array in arrays(progress.step).items()
        }
    return progress.step


def photographs(root: Path) -> Photographs:
    return Photographs(root / "photographs", root / "converted")


def before_converted(root: Path, number: int) -> None:
    (root / "photographs").mkdir(exist_ok=True)
    for name in range(number):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (20 * name, 0, 0)).save(stream, "PNG")
        (root / f"photographs/{name}.png").write_bytes(stream.getvalue())


def write_converted(root: Path, number: int) -> list[str]:
    """The SHA-256 of each JPEG that the photographs became; every one can be read."""
    found = scan(root / "photographs", root / "scan.parquet", workers=1).table
    table = convert_images(found, photographs(root), root / "converted.parquet", quality=90, workers=1)
    taken = [str(sha256) for sha256 in table["sha256"].to_pylist()]
    for path, sha256 in zip(table["path"].to_pylist(), taken, strict=True):
        assert photographs(root).read(path, sha256)
    return taken


def read_converted(root: Path) -> bool:
    """Whether taking the photographs in gives what it gives to a fresh start: what is kept is whole, or made again."""
    fresh, copy = root.with_name("fresh"), root.with_name("copy")
    shutil.copytree(root / "photographs", fresh / "photographs")
    shutil.copytree(root, copy)
    same = write_converted(copy, 0) == write_converted(fresh, 0)
    shutil.rmtree(fresh)
    shutil.rmtree(copy)
    return same


WRITERS = {
    "record": Writer(write_record, read_record, 15, before_record),
    "champion": Writer(
        write_champion, read_champion, 150, lambda root, number: make(root, str(number), number / 10), 2
    ),
    "state": Writer(write_state, read_state, 70),
    "converted": Writer(write_converted, read_converted, 40, before_converted),
}


@pytest.mark.parametrize("name", WRITERS)
def test_old_or_new_never_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, root, crashed = WRITERS[name], tmp_path / "disk", tmp_path / "crashed"
    root.mkdir()
    count = 0
    for number in range(1, writer.rounds + 1):
        writer.before(root, number)
        old = writer.read(root)
        with logged(root, monkeypatch) as log:
            writer.write(root, number)
        new = writer.read(root)
        assert name == "converted" or old != new
        for state in log.states():
            crashed.mkdir()
            lay_out(state, crashed)
            assert writer.read(crashed) in (old, new), f"{number}, state {count}: {sorted(state)}"
            if count % 50 == 0:
                writer.write(crashed, number)
                assert writer.read(crashed) == new
            shutil.rmtree(crashed)
            count += 1
    assert count >= writer.at_least


@pytest.mark.parametrize("name", WRITERS)
def test_whatever_call_fails(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, start, root = WRITERS[name], tmp_path / "start", tmp_path / "disk"
    start.mkdir()
    writer.before(start, 1)
    writer.write(start, 1)
    writer.before(start, 2)
    old, new = writer.read(start), None
    for call in count():
        shutil.copytree(start, root)
        with failing(monkeypatch, call, root) as failed, suppress(OSError, UserError):
            writer.write(root, 2)
        now = writer.read(root)
        writer.write(root, 2)
        new = new or writer.read(root)
        assert now in (old, new), f"{failed} {call}"
        assert writer.read(root) == new, f"{failed} {call}"
        shutil.rmtree(root)
        if not failed:
            break
    assert call > 3, "nothing was made to fail"
