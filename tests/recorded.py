"""Records of runs that never ran, with the files that DVC would keep for them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from plates.files import remove
from plates.hashes import content_hash
from plates.lineage import record as records

Content = bytes | Mapping[str, str]


def make(
    project: Path, content: str, params: str, outputs: Mapping[str, Content] | None = None, **given: Any
) -> records.Record:
    """A record of a run that wrote `content` and `outputs`, which the cache and `dvc.lock` hold as DVC writes them.

    Of `outputs`, bytes are a file's content and a mapping is a folder of texts.
    """
    outs = [_output(project, "data/made.txt", content.encode())]
    outs += [_output(project, path, files) for path, files in (outputs or {}).items()]
    (project / "params.yaml").write_text(params)
    lock = {"schema": "2.0", "stages": {"made": {"cmd": "true", "outs": outs}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    return records.write(project, {"mAP": len(content) / 10}, {"text": params, "train": {"seed": 3}}, **given)


def cached(project: Path, md5: str) -> Path:
    """Where DVC's cache has the object with this hash."""
    return project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def _output(project: Path, path: str, content: Content) -> dict[str, str]:
    target = project / path
    remove(target)
    files = {"": content} if isinstance(content, bytes) else {name: text.encode() for name, text in content.items()}
    entries = []
    for relative, written in files.items():
        file = target / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(written)
        entries.append({"md5": content_hash(file), "relpath": relative})
        _keep(project, entries[-1]["md5"], written)
    md5 = content_hash(target)
    if md5.endswith(".dir"):
        _keep(project, md5, json.dumps(sorted(entries, key=lambda entry: entry["relpath"])).encode())
    return {"path": path, "hash": "md5", "md5": md5}


def _keep(project: Path, md5: str, content: bytes) -> None:
    place = cached(project, md5)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.write_bytes(content)
