"""Restores the data, parameters and model of a record, using only the record and the cache's files."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from plates.errors import UserError
from plates.files import atomic, write_json
from plates.hashes import content_hash
from plates.lineage.cache import Cache
from plates.lineage.code_trees import export_code
from plates.lineage.record import Record
from plates.metrics import SCORES, measured

Fetch = Callable[[Sequence[str]], None]


@dataclass
class Restored:
    """What was restored, what was already correct, and what is not kept anywhere: figures and pages of a run.

    `kept` is the folder that has what was here before; None if the record has a folder of its own.
    """

    put: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    not_kept: list[str] = field(default_factory=list)
    kept: Path | None = None


def restore(root: Path, record: Record, fetch: Fetch | None = None) -> Restored:
    """Puts the data, models, parameters and `dvc.lock` of a record in place.

    The code stays unchanged, and so does what came after the record (its card, the champion). Content that is not in
    the cache is moved aside, never overwritten.

    Args:
        root: the project's folder.
        record: the one to bring back.
        fetch: asked for the hashes that the cache lacks, if a remote may have them.

    Raises:
        UserError: something is not available anywhere. Nothing is changed then.
    """
    cache = Cache.of(root)
    wanted = _wanted(root, record, cache, fetch)
    kept = root / ".plates/restored" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    done = Restored(kept=kept)
    texts = {"params.yaml": record.params_yaml, "dvc.lock": _lock(root, record)}
    _put(root, record, wanted, cache, done)
    for name, text in texts.items():
        if (root / name).exists():
            shutil.copyfile(root / name, _aside(kept, name))
        with atomic(root / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return done


def restore_to(root: Path, record: Record, folder: Path, fetch: Fetch | None = None) -> Restored:
    """Restores a record into a separate folder: its code, parameters, data and models, ready to run.

    DVC works in it, without Git, on the cache of the project in `root`.

    Args:
        root: the project's folder.
        record: the one to bring back.
        folder: a new or empty one.
        fetch: as in `restore`.

    Raises:
        UserError: something is not available anywhere, or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty. Name a new folder")
    cache = Cache.of(root)
    wanted = _wanted(root, record, cache, fetch)
    folder.mkdir(parents=True, exist_ok=True)
    export_code(root, record, folder)
    done = Restored()
    (folder / "params.yaml").write_text(record.params_yaml, encoding="utf-8")
    (folder / "dvc.lock").write_text(record.dvc_lock, encoding="utf-8")
    _put(folder, record, wanted, cache, done)
    share_cache(folder, cache)
    return done


def share_cache(folder: Path, cache: Cache) -> None:
    """Lets DVC work in a folder without Git, on the cache of another project."""
    (folder / ".dvc").mkdir(exist_ok=True)
    own = f"[core]\n    no_scm = true\n[cache]\n    dir = {cache.folders[0].resolve()}\n"
    (folder / ".dvc/config.local").write_text(own, encoding="utf-8")


def _wanted(root: Path, record: Record, cache: Cache, fetch: Fetch | None) -> dict[str, str]:
    """The outputs of the record that are kept, with their hashes; all of them are in the cache afterwards."""
    uncached = _uncached(root)
    wanted = {path: md5 for path, md5 in record.outputs.items() if path not in uncached or not cache.missing(md5)}
    missing = {path: absent for path, md5 in wanted.items() if (absent := cache.missing(md5))}
    if missing and fetch and cache.remotes:
        fetch([wanted[path] for path in missing])
        missing = {path: absent for path in missing if (absent := cache.missing(wanted[path]))}
    if missing:
        lines = [f"  {path}: {_count(wanted[path], absent)}" for path, absent in missing.items()]
        remotes = ", ".join(cache.remotes)
        places = ", ".join(str(folder) for folder in cache.folders)
        raise UserError(
            f"{len(missing)} outputs of record {record.short} are not kept here; nothing was changed.\n"
            + "\n".join(lines)
            + f"\nLooked in {places}{f' and asked {remotes}' if remotes and fetch else ''}. "
            + (f"A remote may have them: install DVC and run this again ({remotes}). " if remotes and not fetch else "")
            + "Another clone may have them: dvc push there, then run this again. "
            + "Or make them again: put the record's params_yaml into params.yaml and `plates run`."
        )
    return wanted


def _put(root: Path, record: Record, wanted: dict[str, str], cache: Cache, done: Restored) -> None:
    for path, md5 in wanted.items():
        here = root / path
        present = content_hash(here) if here.exists() else None
        if present == md5:
            done.same.append(path)
            continue
        if present and done.kept and cache.missing(present):
            shutil.move(here, _aside(done.kept, path))
        cache.put(md5, here)
        done.put.append(path)
    for path in sorted(record.outputs.keys() - wanted.keys()):
        if path == SCORES:
            write_json(root / path, measured(record.metrics))
            done.put.append(path)
        else:
            done.not_kept.append(path)


def _aside(kept: Path, path: str) -> Path:
    place = kept / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _lock(root: Path, record: Record) -> str:
    """The record's `dvc.lock`; of the stages after the record, the current entries, if the present file can be read."""
    lock = yaml.safe_load(record.dvc_lock)
    try:
        now = dict(yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"])
    except (FileNotFoundError, yaml.YAMLError, ValueError, KeyError, TypeError):
        now = {}
    for name in ("model_card", "champion"):
        lock["stages"].pop(name, None)
        if name in now:
            lock["stages"][name] = now[name]
    return yaml.safe_dump(lock, sort_keys=False, allow_unicode=True)


def _uncached(root: Path) -> set[str]:
    """The outputs in `dvc.yaml` whose content DVC does not keep."""
    path = root / "dvc.yaml"
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    except (ValueError, yaml.YAMLError, KeyError, TypeError):
        raise UserError(f"{path} is damaged. Restore it: git checkout -- dvc.yaml") from None
    outs = [out for stage in stages.values() for key in ("outs", "metrics", "plots") for out in stage.get(key, [])]
    return {
        path for out in outs if isinstance(out, dict) for path, options in out.items() if not options.get("cache", True)
    }


def _count(md5: str, absent: Sequence[str]) -> str:
    return f"{len(absent)} of its files" if md5.endswith(".dir") and absent != [md5] else f"all of it ({md5})"
