"""Whatever is done to a project through either door, what dvc.lock and Dagster say of it agrees with its files."""

import hashlib
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from doors import DATA, FIRST, GRAPH, Doors, Killed, in_process, killed_at, put
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from plates.efficientdet.data.tfrecords import read, read_manifest
from plates.settings import edit

SETTINGS: dict[str, tuple[Any, ...]] = {
    "split.seed": (0, 1, 2),
    "tfrecords.seed": (0, 1),
    "anchors.seed": (0, 1),
    "data.class_by": ("plate", "plate_type"),
}


class TwoDoors(RuleBasedStateMachine):
    """A project, what was done to it, and what must be true of it after each step."""

    template: Path
    folder: Path
    numbers = count()

    @initialize()
    def begin(self) -> None:
        place = self.folder / str(next(self.numbers))
        shutil.copytree(self.template, place)
        self.root, self.photographs = place / "project", place / "photographs"
        self.waiting = sorted((place / "scenes").rglob("*.jpg"))[FIRST:]
        self.instance = dg.DagsterInstance.ephemeral()
        self.doors = Doors(self.root, DATA, self.instance)
        self.earlier: list[tuple[bytes, bytes]] = []
        self.remember()

    def remember(self) -> None:
        params, lock = ((self.root / name).read_bytes() for name in ("params.yaml", "dvc.lock"))
        self.earlier.append((params, lock))

    def there(self) -> list[Path]:
        return sorted(self.photographs.rglob("*.jpg"))

    @rule(key=st.sampled_from(sorted(SETTINGS)), place=st.integers(0, 2))
    def edit_a_parameter(self, key: str, place: int) -> None:
        values = SETTINGS[key]
        edit.write(self.root / "params.yaml", {key: values[place % len(values)]})

    @rule()
    def add_a_photograph(self) -> None:
        if self.waiting:
            put(self.waiting.pop(), self.root.parent)

    @rule(place=st.integers(0, 99))
    def remove_a_photograph(self, place: int) -> None:
        if len(self.there()) > FIRST - 4:
            self.there()[place % len(self.there())].unlink()

    @rule(place=st.integers(0, 99))
    def replace_a_photograph(self, place: int) -> None:
        if self.waiting:
            shutil.copyfile(self.waiting.pop(), self.there()[place % len(self.there())])

    @rule(name=st.sampled_from(DATA))
    def materialize(self, name: str) -> None:
        with in_process(self.doors):
            wrong = self.doors.materialize(name)
        if wrong is None:
            assert self.doors.lock()[name] == self.doors.hashes(name)

    @rule()
    def repro(self) -> None:
        with in_process(self.doors):
            wrong = self.doors.repro()
            assert wrong is None, wrong
            self.is_current()
        self.remember()

    @rule(name=st.sampled_from(DATA), number=st.integers(0, 40))
    def kill_an_asset(self, name: str, number: int) -> None:
        self.doors.made.pop(name, None)
        with in_process(self.doors), killed_at(number, self.root), suppress(Killed):
            self.doors.materialize(name)

    @rule(number=st.integers(0, 60))
    def kill_a_repro(self, number: int) -> None:
        with in_process(self.doors), killed_at(number, self.root), suppress(Killed):  # DVC itself, or a stage of it
            self.doors.repro()
        self.doors.made.clear()

    @rule(place=st.integers(0, 99))
    def go_back(self, place: int) -> None:
        """`git checkout` of an earlier state, then `dvc checkout`."""
        for name, content in zip(("params.yaml", "dvc.lock"), self.earlier[place % len(self.earlier)], strict=True):
            (self.root / name).write_bytes(content)
        with in_process(self.doors):
            self.doors.checkout()
        self.doors.made.clear()
        for name in DATA:
            assert self.doors.lock()[name] == self.doors.hashes(name)

    @rule(name=st.sampled_from(DATA), place=st.integers(0, 9))
    def delete_an_output(self, name: str, place: int) -> None:
        paths = GRAPH[name].versioned
        target = self.root / paths[place % len(paths)]
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        self.doors.made.pop(name, None)

    @invariant()
    def what_is_said_can_be_had(self) -> None:
        """Every hash in dvc.lock lies there or in DVC's cache; so does what Dagster materialized last."""
        cache = self.root / ".dvc/cache/files/md5"
        for name, outs in self.doors.lock().items():
            present = self.doors.hashes(name)
            for path, md5 in outs.items():
                kept = (cache / md5[:2] / md5[2:]).exists()
                assert kept or present.get(path) == md5, f"{path} of {name} is lost"

    def is_current(self) -> None:
        """After a run: DVC has nothing to do, its lock, Dagster and the photographs agree with the files."""
        status = self.doors.status()
        assert {name: said for name, said in status.items() if said != ["always changed"]} == {}
        lock = self.doors.lock()
        for name in DATA:
            assert lock[name] == self.doors.hashes(name), name
        table = pd.read_parquet(self.root / "data/raw_images.parquet")
        found = {self.photographs / path: sha256 for path, sha256 in zip(table["path"], table["sha256"], strict=True)}
        assert found == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.there()}
        splits = pd.read_parquet(self.root / "data/splits.parquet")
        manifest = read_manifest(self.root / "data/tfrecords")
        written = sorted(
            record.path
            for split in ("train", "val", "test")
            for shard in manifest.split(split).shards
            for record in read(self.root / "data/tfrecords" / shard.file)
        )
        assert written == sorted(splits["path"])
        for name, version in self.doors.made.items():
            assert version == GRAPH[name].data_version(self.doors.hashes(name)), f"Dagster's version of {name}"
        left = [place.name for place in (self.root / "data").iterdir() if place.name.startswith(".")]
        outputs = [Path(path).name for name in DATA for path in GRAPH[name].versioned]
        assert not [name for name in left if name.startswith(tuple(f".{output}." for output in outputs))]

    def teardown(self) -> None:
        if hasattr(self, "instance"):
            self.instance.dispose()
            shutil.rmtree(self.root.parent, ignore_errors=True)


def run(machine: type[TwoDoors], template: Path, folder: Path, examples: int, steps: int, known: bool) -> None:
    place = type(machine.__name__, (machine,), {"template": template, "folder": folder})
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=known,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(place, settings=limits)


def test_data_assets(data_ran: Path, tmp_path: Path) -> None:
    run(TwoDoors, data_ran, tmp_path, examples=3, steps=8, known=True)


@pytest.mark.long
def test_what_a_kill_leaves_is_not_left_by_a_result_from_the_cache(data_ran: Path, tmp_path: Path) -> None:
    """Found by the machine below: DVC had the TFRecords, and their unfinished shards stayed in data."""
    doors = type("Found", (TwoDoors,), {"template": data_ran, "folder": tmp_path})()
    doors.begin()
    doors.materialize(name="boxes")
    doors.repro()
    doors.kill_a_repro(number=31)
    doors.kill_an_asset(name="tfrecords", number=14)
    doors.repro()
    doors.teardown()


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_data_assets_at_length(data_ran: Path, tmp_path: Path) -> None:
    run(TwoDoors, data_ran, tmp_path, examples=4, steps=30, known=False)
