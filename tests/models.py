"""Models as a run leaves them, for tests of what comes after: a record, files of a few words, and DVC's cache."""

import json
import shutil
from pathlib import Path

from plates.files import write_json
from plates.hashes import content_hash
from plates.lineage import champion
from plates.lineage.record import FOLDER, Record, sealed


def make(root: Path, name: str, mAP: float) -> Record:
    """A model with its record, as a run leaves them, and its files in DVC's cache."""
    for path, file in ((champion.MODEL, "saved_model.pb"), (champion.CHECKPOINT, "best.weights.h5")):
        shutil.rmtree(root / path, ignore_errors=True)
        (root / path).mkdir(parents=True)
        (root / path / file).write_text(f"{name} {file}")
    (root / "data").mkdir(exist_ok=True)
    (root / champion.DETECTIONS).unlink(missing_ok=True)  # it may be a link into the cache
    (root / champion.DETECTIONS).write_text(f"detections of {name}")
    paths = (champion.MODEL, champion.CHECKPOINT, champion.DETECTIONS)
    for path in paths:
        cache(root, root / path)
    hashes = {path: content_hash(root / path) for path in paths}
    record = sealed(
        Record(
            **{"version": 2, "id": "", "time": "2026-11-28T10:00:00+00:00", "params": {"name": name}},
            **{
                "metrics": {"mAP": mAP, "test_set": "t"},
                "outputs": hashes,
            },
            **{"code": {"tree": name}, "packages": {}, "machine": {}, "params_yaml": "", "dvc_lock": "stages: {}\n"},
        )
    )
    write_json(root / FOLDER / f"{record.id}.json", record.model_dump())
    return record


def cache(root: Path, place: Path) -> None:
    """What `dvc commit` does: each file by its MD5, and a folder's list by its own."""

    def keep(md5: str, data: bytes) -> None:
        target = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if file.is_file())
        entries = [{"md5": content_hash(file), "relpath": file.relative_to(place).as_posix()} for file in files]
        keep(content_hash(place), json.dumps(entries, sort_keys=True).encode())
        for file in files:
            keep(content_hash(file), file.read_bytes())
    else:
        keep(content_hash(place), place.read_bytes())


def serve(root: Path, record: Record, best: str | None = None) -> champion.Verdict:
    verdict = champion.verdict(root, "gate", record.id, champion.settled(root), promoted=True, reason="better")
    champion.put_in_service(root, record, verdict, best)
    return verdict
