"""The model in service: one folder that names its record, and the decisions that put it there.

`models/champion` holds `model` (the export), `checkpoint`, and in `best` the checkpoint and the detections of the best
model ever in service, which challengers are compared with. Its `champion.json` names their records. The folder is
replaced in one step and is authoritative; `models/champion.json` and the newest file of `lineage/decisions` follow from
it and are written again if a kill prevented that.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from plates.errors import UserError
from plates.files import atomic, put_back, write_json
from plates.hashes import content_hash
from plates.lineage import record as records
from plates.lineage.cache import Cache
from plates.lineage.record import Record

FOLDER = "models/champion"
POINTER = "models/champion.json"
DECISIONS = "lineage/decisions"
MODEL, CHECKPOINT, DETECTIONS = "models/export/model", "models/checkpoint", "data/detections.parquet"
PARTS = {"model": MODEL, "checkpoint": CHECKPOINT}
_NAME = "champion.json"
REPAIR = "plates champions --repair"
NEW_BAR = "by name, as the new bar"


class Verdict(BaseModel):
    """One decision about the model in service. Written once, never changed; its id is the hash of the rest."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    id: str = ""
    time: str
    kind: Literal["gate", "rollback", "promote"]
    challenger: str
    before: str | None
    after: str | None
    promoted: bool
    reason: str
    because: str | None = None
    test_set: str | None = None
    evidence: list[dict[str, Any]] = []
    previous: str | None

    def sealed(self) -> "Verdict":
        """The verdict with the id that its content gives it."""
        content = json.dumps(self.model_dump(exclude={"id"}), sort_keys=True)
        return self.model_copy(update={"id": hashlib.sha256(content.encode()).hexdigest()[:12]})


class InService(BaseModel):
    """The folder's own description: the records of the model in service and of the best one.

    `test_set` and `numbering` say on which photographs the best one's detections are, and which id each has
    (`plates.scoring.truth`).
    """

    model_config = ConfigDict(extra="forbid")

    record: str
    best: str
    test_set: str | None
    numbering: str | None = None
    verdict: Verdict


def decisions(root: Path) -> list[Verdict]:
    """Every decision, the newest last, in the order they were made, whatever the clocks said.

    Raises:
        UserError: a file is not a decision, or was edited.
    """
    found = {verdict.id: verdict for verdict in map(_read, sorted((root / DECISIONS).glob("*.json")))}

    def depth(verdict: Verdict) -> int:
        steps = 0
        while verdict.previous in found:
            verdict, steps = found[verdict.previous], steps + 1
        return steps

    return sorted(found.values(), key=lambda verdict: (depth(verdict), verdict.time))


def settled(root: Path) -> InService | None:
    """The model in service, after comparing its folder with its record; None if there is none.

    Raises:
        UserError: the folder is gone, or is not what its record made.
    """
    put_back(root / FOLDER)
    known = decisions(root)
    expected = known[-1].after if known else None
    if not (root / FOLDER / _NAME).is_file():
        if expected is None:
            return None
        raise UserError(f"{FOLDER} is missing, but record {expected[:8]} is in service. Restore it: {REPAIR}")
    try:
        service = InService.model_validate_json((root / FOLDER / _NAME).read_text(encoding="utf-8"))
    except ValidationError as error:
        raise UserError(f"{FOLDER}/{_NAME} does not say what is in service: {error}. Repair it: {REPAIR}") from None
    if wrong := _unlike(root, service):
        raise UserError(f"{FOLDER} is not what record {service.record[:8]} made: {', '.join(wrong)}. Repair: {REPAIR}")
    if service.verdict.id not in {verdict.id for verdict in known}:
        _keep(root, service.verdict)
    last = decisions(root)[-1]
    if said := _another(service.record, last):
        raise UserError(said)
    point(root, service, last)
    return service


def another(root: Path) -> str | None:
    """In words, that the folder is not what the last decision put in service; None if it is."""
    known = decisions(root)
    if not known or known[-1].after is None:
        return None
    if not (root / FOLDER / _NAME).is_file():
        return f"{FOLDER} is missing. Restore it: {REPAIR}"
    try:
        service = InService.model_validate_json((root / FOLDER / _NAME).read_text(encoding="utf-8"))
    except ValidationError:
        return f"{FOLDER}/{_NAME} does not say what is in service. Repair it: {REPAIR}"
    if said := _another(service.record, known[-1]):
        return said
    wrong = ", ".join(_unlike(root, service))
    return f"{FOLDER} is not what record {service.record[:8]} made: {wrong}. Repair: {REPAIR}" if wrong else None


def _another(held: str, last: Verdict) -> str | None:
    if held == last.after:
        return None
    return (
        f"{FOLDER} holds record {held[:8]}, but the last decision put {last.after and last.after[:8]} in service (Git "
        f"brought one without the other?). Bring the folder that belongs to it: dvc pull {FOLDER}, or {REPAIR}"
    )


def put_in_service(
    root: Path,
    record: Record,
    verdict: Verdict,
    best: str | None = None,
    scored: Path | None = None,
    test_set: str | None = None,
    numbering: str | None = None,
) -> None:
    """Replaces the folder in one step, and saves the decision.

    Args:
        root: the project's folder.
        record: of the model that goes into service.
        verdict: the decision.
        best: record of the best model, if another: it stays in the folder.
        scored: its detections on the test set of `test_set`, if they are not those in the folder.
        test_set: what `scored` is on.
        numbering: the same for the ids in it.
    """
    best_record = record if best in (None, record.id) else records.find(root, best)
    with atomic(root / FOLDER) as temporary:
        for name, path in PARTS.items():
            _bring(root, path, record.outputs[path], temporary / name)
        _bring(root, CHECKPOINT, best_record.outputs[CHECKPOINT], temporary / "best" / "checkpoint")
        target = temporary / "best" / "detections.parquet"
        if scored is not None:
            shutil.copyfile(scored, target)
        elif DETECTIONS in best_record.outputs:
            _bring(root, DETECTIONS, best_record.outputs[DETECTIONS], target)
            test_set, numbering = (best_record.metrics.get(name) for name in ("test_set", "numbering"))
        service = InService(
            record=record.id, best=best_record.id, test_set=test_set, numbering=numbering, verdict=verdict
        )
        write_json(temporary / _NAME, service.model_dump())
    _keep(root, verdict)
    point(root, service, verdict)


def keep_in_service(root: Path, service: InService | None, verdict: Verdict) -> None:
    """Saves a decision that changes nothing."""
    _keep(root, verdict)
    point(root, service, verdict)


def verdict(root: Path, kind: str, challenger: str, service: InService | None, **content: Any) -> Verdict:
    """A decision of now about `challenger`. `content`: promoted, reason, because, test_set, evidence."""
    known, before = decisions(root), service.record if service else None
    return Verdict.model_validate(
        {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "kind": kind,
            "challenger": challenger,
            "before": before,
            "after": challenger if content["promoted"] else before,
            "previous": known[-1].id if known else None,
            **content,
        }
    ).sealed()


def repair(root: Path) -> str:
    """Makes the folder again from the records and the cache; returns the id of the record in service.

    The best model is the one that `models/champion.json` names, if that one was in service: the bar does not sink.

    Raises:
        UserError: no decision says what is in service, or the cache lacks a file of it.
    """
    known = decisions(root)
    last = next((verdict for verdict in reversed(known) if verdict.promoted), None)
    if last is None or last.after is None:
        raise UserError("no decision says what is in service. Put a model there: plates promote ID --because '...'")
    put_in_service(root, records.find(root, last.after), last, best=_best_pointed_at(root, known, last))
    return last.after


def _best_pointed_at(root: Path, known: Sequence[Verdict], last: Verdict) -> str | None:
    """The best model beside that of the `last` promotion; None: that one itself."""
    try:
        pointer = json.loads((root / POINTER).read_text(encoding="utf-8"))
        best, said = pointer["best"], pointer.get("decision", {}).get("id")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if best not in {verdict.after for verdict in known}:
        return None
    if said in {verdict.id for verdict in known[: known.index(last)]}:  # of before: a kill kept `last` from it
        replaced = last.kind == "gate" or last.reason == NEW_BAR or (last.kind == "rollback" and best == last.before)
        return None if replaced else best
    return best


def rollback(root: Path, target: str | None, because: str | None) -> Verdict:
    """Puts an earlier champion back in service: `target` by the first characters of its id, else the previous one.

    Raises:
        UserError: there is no earlier champion, or `target` never was one.
    """
    service, known = settled(root), decisions(root)
    now = service.record if service else None
    earlier = list(dict.fromkeys(one.after for one in reversed(known) if one.after and one.after != now))
    found = [record for record in earlier if record.startswith(target or "")]
    if not found:
        raise UserError(
            f"no earlier champion{f' with an id that begins with {target!r}' if target else ''}: "
            f"{len(earlier)} were in service before. List them: plates champions"
        )
    if target and len(found) > 1:
        raise UserError(
            f"{len(found)} earlier champions begin with {target!r}: {', '.join(found)}. Give more of the id"
        )
    reason = f"back from {now[:8] if now else 'none'}"
    said = verdict(root, "rollback", found[0], service, promoted=True, reason=reason, because=because)
    best = service.best if service and service.best != now else None
    put_in_service(root, records.find(root, found[0]), said, best=best)
    return said


def promote(root: Path, target: str, because: str, new_bar: bool = False) -> Verdict:
    """Puts a record's model in service without asking the gate.

    Later challengers are compared with the best model as before or, with a `new_bar`, with this one.
    """
    service, record = settled(root), records.find(root, target)
    reason = NEW_BAR if new_bar else "by name"
    said = verdict(root, "promote", record.id, service, promoted=True, reason=reason, because=because)
    put_in_service(root, record, said, best=service.best if service and not new_bar else None)
    return said


def point(root: Path, service: InService | None, verdict: Verdict) -> None:
    """Writes `models/champion.json`, for those who ask what is in service, and the folder that DVC asks for."""
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    decision = verdict.model_dump(include={"id", "kind", "challenger", "promoted", "reason", "because"})
    names = {"record": service and service.record, "best": service and service.best}
    write_json(root / POINTER, {**names, "decision": decision})


def _keep(root: Path, verdict: Verdict) -> None:
    write_json(root / DECISIONS / f"{verdict.id}.json", verdict.model_dump())


def _read(file: Path) -> Verdict:
    try:
        found = Verdict.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        back = f"Restore it: git checkout -- {file}; or delete it if Git does not have it"
        raise UserError(f"{file} is not a decision: {why}. {back}") from None
    if found.sealed().id != found.id:
        raise UserError(f"{file} was edited: its id is not the hash of its content. Restore it: git checkout -- {file}")
    return found


def _unlike(root: Path, service: InService) -> list[str]:
    """Which parts of the folder do not match the records it names."""
    expected = {name: (service.record, path) for name, path in PARTS.items()}
    expected["best/checkpoint"] = (service.best, CHECKPOINT)
    wrong = []
    for name, (record, path) in expected.items():
        place = root / FOLDER / name
        if not place.exists():
            wrong.append(f"{name} is missing")
        elif content_hash(place) != records.find(root, record).outputs[path]:
            wrong.append(f"{name} differs")
    return wrong


def _bring(root: Path, path: str, md5: str, target: Path) -> None:
    """Puts an output with the content `md5` at `target`: the one on disk if it matches, else the cache's."""
    source = root / path
    if source.exists() and content_hash(source) == md5:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy: Callable[[Path, Path], Any] = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, target)
        return
    cache = Cache.of(root)
    if absent := cache.missing(md5):
        raise UserError(
            f"{path} of the record is neither on disk nor in DVC's cache ({len(absent)} files are missing). "
            "If a remote has it: dvc pull"
        )
    cache.put(md5, target)


def listed(root: Path) -> Sequence[tuple[Verdict, Record | None]]:
    """Every decision with the record of its challenger, if there is one."""
    known = {record.id: record for record in records.read_all(root)}
    return [(verdict, known.get(verdict.challenger)) for verdict in decisions(root)]
