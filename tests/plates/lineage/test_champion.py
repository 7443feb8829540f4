"""The model in service is what its record made, whatever happens to the files."""

import json
import shutil
from pathlib import Path

import pytest

from models import make, serve
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage import champion
from plates.lineage.record import FOLDER, find


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with model `one` in service."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").touch()
    serve(tmp_path, make(tmp_path, "one", 0.5))
    return tmp_path


def pointer(root: Path) -> dict:
    return json.loads((root / champion.POINTER).read_text())


def test_the_folder_is_its_records(root: Path) -> None:
    service = champion.settled(root)
    record = find(root, service.record)
    assert content_hash(root / champion.FOLDER / "model") == record.outputs[champion.MODEL]
    assert content_hash(root / champion.FOLDER / "best/checkpoint") == record.outputs[champion.CHECKPOINT]
    assert pointer(root)["record"] == service.record == service.best


def test_a_folder_that_is_gone_is_named_with_the_command_that_brings_it_back(root: Path) -> None:
    before = content_hash(root / champion.FOLDER)
    record = champion.settled(root).record
    shutil.rmtree(root / champion.FOLDER)
    shutil.rmtree(root / champion.MODEL)  # the project went on: only the cache has it
    with pytest.raises(UserError, match=f"{record[:8]} is in service. Restore it: plates champions --repair"):
        champion.settled(root)
    assert champion.repair(root) == record
    assert content_hash(root / champion.FOLDER) == before


@pytest.mark.parametrize(
    "part", ["model/saved_model.pb", "checkpoint/best.weights.h5", "best/checkpoint/best.weights.h5"]
)
def test_a_folder_that_was_changed_is_not_believed(root: Path, part: str) -> None:
    (root / champion.FOLDER / part).write_text("another")
    with pytest.raises(UserError, match="differs"):
        champion.settled(root)
    champion.repair(root)
    assert champion.settled(root) is not None


def test_a_pointer_edited_by_hand_or_cut_off_follows_the_folder_again(root: Path) -> None:
    for text in ('{"record": "zzz", "metrics": {"mAP": 0.99}}', '{"rec', ""):
        (root / champion.POINTER).write_text(text)
        service = champion.settled(root)
        assert pointer(root)["record"] == service.record


def test_a_folder_that_names_another_record_is_not_believed(root: Path) -> None:
    other = make(root, "two", 0.9)
    file = root / champion.FOLDER / "champion.json"
    file.write_text(file.read_text().replace(champion.settled(root).record, other.id))
    with pytest.raises(UserError, match="differs"):
        champion.settled(root)


def test_a_kill_between_the_folder_and_what_follows_from_it_is_put_right(root: Path) -> None:
    two = make(root, "two", 0.9)
    verdict = serve(root, two)
    (root / champion.DECISIONS / f"{verdict.id}.json").unlink()
    (root / champion.POINTER).write_text('{"record": "the one before"}')
    assert champion.settled(root).record == two.id
    assert pointer(root)["record"] == two.id
    assert champion.decisions(root)[-1].id == verdict.id


def test_a_decision_edited_by_hand_is_refused(root: Path) -> None:
    (file,) = (root / champion.DECISIONS).glob("*.json")
    file.write_text(file.read_text().replace("better", "a lot better"))
    with pytest.raises(UserError, match="git checkout"):
        champion.decisions(root)


@pytest.mark.parametrize("content", [b"", b"7", b"\0", b"\xff\xfe{", None])
def test_a_damaged_decision_is_named_with_the_way_back(root: Path, content: bytes | None) -> None:
    (file,) = (root / champion.DECISIONS).glob("*.json")
    file.unlink()
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(UserError, match=r"is not a decision: .*\. Restore it: git checkout -- ") as said:
        champion.settled(root)
    assert "\n" not in str(said.value)


def test_the_record_of_the_model_in_service_is_deleted(root: Path) -> None:
    for file in (root / FOLDER).glob("*.json"):
        file.unlink()
    with pytest.raises(UserError, match=r"no record .*; restore deleted ones: git checkout -- lineage/records"):
        champion.settled(root)


def test_rollback_goes_to_the_one_before_and_says_so(root: Path) -> None:
    one = champion.settled(root).record
    two = make(root, "two", 0.9)
    serve(root, two)
    verdict = champion.rollback(root, None, "blurred at night")
    assert champion.settled(root).record == one
    assert (verdict.kind, verdict.before, verdict.after, verdict.because) == (
        "rollback",
        two.id,
        one,
        "blurred at night",
    )
    assert champion.settled(root).best == one, "what was taken out of service is no bar"


def test_a_folder_that_is_not_what_was_decided_is_told(root: Path) -> None:
    assert champion.another(root) is None
    next(file for file in (root / champion.FOLDER / "model").rglob("*") if file.is_file()).unlink()
    assert "model differs" in str(champion.another(root))
    shutil.rmtree(root / champion.FOLDER)
    assert champion.another(root) == f"models/champion is missing. Restore it: {champion.REPAIR}"
    champion.repair(root)
    assert champion.another(root) is None


@pytest.mark.parametrize("by_name", [False, True])
def test_a_pointer_that_a_kill_left_behind_does_not_name_the_bar(root: Path, by_name: bool) -> None:
    """The decision was saved, the pointer was not, and the folder is lost before anybody looks."""
    one, pointer = champion.settled(root).record, (root / champion.POINTER).read_bytes()
    two = make(root, "two", 0.9)
    if by_name:
        champion.promote(root, two.id, "a trial")
    else:
        serve(root, two)
    expected = champion.settled(root)
    assert (expected.record, expected.best) == (two.id, one if by_name else two.id)
    (root / champion.POINTER).write_bytes(pointer)
    shutil.rmtree(root / champion.FOLDER)
    champion.repair(root)
    assert champion.settled(root) == expected


def test_the_beginning_of_several_ids_goes_back_to_none_of_them(root: Path) -> None:
    made = [make(root, f"model {number}", 0.9) for number in range(18)]
    for one in made:
        serve(root, one)
    first = [one.id[0] for one in made[:-1]]
    shared = next(letter for letter in first if first.count(letter) > 1)
    with pytest.raises(UserError, match=rf"earlier champions begin with '{shared}': .*Give more of the id"):
        champion.rollback(root, shared, None)
    assert champion.settled(root).record == made[-1].id


def test_there_is_nothing_to_go_back_to_before_the_first(root: Path) -> None:
    with pytest.raises(UserError, match="no earlier champion"):
        champion.rollback(root, None, None)


def test_promotion_by_name_does_not_lower_the_bar(root: Path) -> None:
    one = champion.settled(root).record
    worse = make(root, "worse", 0.2)
    champion.promote(root, worse.id[:6], "the customer wants it")
    service = champion.settled(root)
    assert (service.record, service.best) == (worse.id, one)
    assert content_hash(root / champion.FOLDER / "best/checkpoint") == find(root, one).outputs[champion.CHECKPOINT]


def test_what_nothing_compares_with_the_bar_can_be_the_new_bar(root: Path) -> None:
    other = make(root, "other classes", 0.2)
    champion.promote(root, other.id, "other classes", new_bar=True)
    service = champion.settled(root)
    assert service.record == service.best == other.id
    assert content_hash(root / champion.FOLDER / "best/checkpoint") == other.outputs[champion.CHECKPOINT]


def test_decisions_without_the_folder_they_made_are_noticed(root: Path) -> None:
    """As after `git pull` without `dvc pull`."""
    earlier = root / "earlier"
    shutil.copytree(root / champion.FOLDER, earlier)
    two = make(root, "two", 0.9)
    serve(root, two)
    shutil.rmtree(root / champion.FOLDER)
    earlier.rename(root / champion.FOLDER)
    with pytest.raises(UserError, match=f"the last decision put {two.short} in service.*dvc pull {champion.FOLDER}"):
        champion.settled(root)
    assert pointer(root)["record"] == two.id, "what was written is not made to contradict itself"
    assert f"the last decision put {two.short} in service" in (champion.another(root) or "")
    assert champion.repair(root) == two.id
    assert champion.settled(root).record == two.id
    assert champion.another(root) is None


def test_decisions_follow_each_other_whatever_the_clock_says(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime

    class Early(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return datetime(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(champion, "datetime", Early)
    two = make(root, "two", 0.9)
    verdict = serve(root, two)
    assert champion.decisions(root)[-1] == verdict


def test_a_model_whose_files_are_nowhere_is_not_put_in_service(root: Path) -> None:
    two = make(root, "two", 0.9)
    make(root, "three", 0.1)
    shutil.rmtree(root / ".dvc/cache")
    before = content_hash(root / champion.FOLDER)
    with pytest.raises(UserError, match="dvc pull"):
        champion.promote(root, two.id, "it was good")
    assert content_hash(root / champion.FOLDER) == before


def test_a_repair_keeps_the_bar(root: Path) -> None:
    one = champion.settled(root).record
    worse = make(root, "worse", 0.2)
    champion.promote(root, worse.id, "a trial")
    shutil.rmtree(root / champion.FOLDER)
    champion.repair(root)
    service = champion.settled(root)
    assert (service.record, service.best) == (worse.id, one)
