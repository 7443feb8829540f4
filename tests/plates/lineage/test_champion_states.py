"""Whatever is done to the model in service, a look at it finds a whole one: the last decision's, with the same bar."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from power.failing import watched

from models import make
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage import champion, record
from plates.lineage.restore import restore

NUMBERS = st.integers(0, 99)


class Killed(BaseException):
    """Ends the code that runs, as a kill does: what it would still do to files fails, too."""


class Service(RuleBasedStateMachine):
    """A project whose models are files of a few words, what was done to it, and what may be in service now.

    Attributes:
        may: pairs of the record in service and the record of the best model.
        edited: whether the pointer was edited since the last look.
    """

    folder: Path
    numbers = count()

    @initialize()
    def begin(self) -> None:
        self.root = self.folder / str(next(self.numbers))
        (self.root / ".dvc").mkdir(parents=True)
        (self.root / ".dvc/config").touch()
        (self.root / "dvc.yaml").write_text("stages: {}\n")
        self.may: set[tuple[str | None, str | None]] = {(None, None)}
        self.edited = False
        self.judge(self.trained(5))

    @rule(tenths=st.integers(0, 9))
    def train(self, tenths: int) -> None:
        """A model that goes into service where it is as good as the best."""
        new = self.trained(tenths)
        self.found()
        self.judge(new)

    @rule(tenths=st.integers(0, 9), number=st.integers(0, 60))
    def train_and_be_killed(self, tenths: int, number: int) -> None:
        new, (now, best) = self.trained(tenths), self.found()
        self.killed(number, lambda: self.judge(new))
        self.may = {(now, best), (new.id, new.id)}

    @rule(place=NUMBERS)
    def promote(self, place: int) -> None:
        _, best = self.found()
        promoted = champion.promote(self.root, self.records()[place % len(self.records())].id, "by name").after
        self.may = {(promoted, best)}

    @rule()
    def roll_back(self) -> None:
        _, best = self.found()
        with suppress(UserError):  # no other was in service
            now = champion.rollback(self.root, None, None).after
            self.may = {(now, now), (now, best)}

    @rule(number=st.integers(0, 60))
    def roll_back_and_be_killed(self, number: int) -> None:
        before = self.found()
        earlier = {verdict.after for verdict in champion.decisions(self.root)}
        self.killed(number, lambda: champion.rollback(self.root, None, None))
        self.may = {before, *((now, best) for now in earlier for best in (now, before[1]))}

    @rule(place=NUMBERS)
    def restore_a_record(self, place: int) -> None:
        restore(self.root, self.records()[place % len(self.records())])

    @rule()
    def delete_the_folder(self) -> None:
        shutil.rmtree(self.root / champion.FOLDER, ignore_errors=True)

    @rule(place=NUMBERS)
    def change_a_file(self, place: int) -> None:
        files = sorted(file for file in (self.root / champion.FOLDER).rglob("*") if file.is_file())
        if files:
            files[place % len(files)].unlink()  # it may be a link into the cache, which cannot be written to
            files[place % len(files)].write_text("another")

    @rule(text=st.sampled_from(["", "{", "[]", "{}", '{"best": 7}', '{"best": "0123456789ab"}']))
    def edit_the_pointer(self, text: str) -> None:
        self.found()
        (self.root / champion.POINTER).write_text(text)
        self.edited = True

    @rule()
    def look(self) -> None:
        self.found()

    def found(self) -> tuple[str | None, str | None]:
        """What is in service, after a repair where it says that one is needed."""
        try:
            service = champion.settled(self.root)
        except UserError as error:
            if champion.REPAIR not in str(error):
                raise
            champion.repair(self.root)
            if self.edited:  # nothing is left that names the best model
                self.may |= {(now, now) for now, _ in self.may}
            service = champion.settled(self.root)
        found = (service.record, service.best) if service else (None, None)
        assert found in self.may
        assert champion.decisions(self.root)[-1].after == found[0]
        assert found == tuple(
            json.loads((self.root / champion.POINTER).read_text())[name] for name in ("record", "best")
        )
        for part, path in champion.PARTS.items():
            made = record.find(self.root, str(found[0])).outputs[path]
            assert content_hash(self.root / champion.FOLDER / part) == made
        self.may, self.edited = {found}, False
        return found

    def records(self) -> list[record.Record]:
        return record.read_all(self.root)

    def trained(self, tenths: int) -> record.Record:
        return make(self.root, f"model {next(self.numbers)}", tenths / 10)

    def judge(self, new: record.Record) -> None:
        service = champion.settled(self.root)
        bar = record.find(self.root, service.best).metrics["mAP"] if service else 0
        promoted = new.metrics["mAP"] >= bar
        verdict = champion.verdict(self.root, "gate", new.id, service, promoted=promoted, reason="of the test")
        if promoted:
            champion.put_in_service(self.root, new, verdict)
            self.may = {(new.id, new.id)}
        else:
            champion.keep_in_service(self.root, service, verdict)

    def killed(self, number: int, work: Callable[[], Any]) -> None:
        calls = count()

        def kill(name: str, path: str) -> None:
            if next(calls) >= number:
                raise Killed

        with pytest.MonkeyPatch.context() as patch, watched(patch, self.root, kill), suppress(Killed, UserError):
            work()

    def teardown(self) -> None:
        if hasattr(self, "may"):
            self.found()
        shutil.rmtree(self.root, ignore_errors=True)


def run(folder: Path, examples: int, steps: int, known: bool) -> None:
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=known,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type("Service", (Service,), {"folder": folder}), settings=limits)


def test_the_model_in_service(tmp_path: Path) -> None:
    run(tmp_path, examples=10, steps=12, known=True)


@pytest.mark.long
def test_the_model_in_service_at_length(tmp_path: Path) -> None:
    run(tmp_path, examples=200, steps=40, known=False)
