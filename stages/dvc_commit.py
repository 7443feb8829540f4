"""Telling DVC that a stage's outputs are new, when something other than `dvc repro` made them."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter

from plates.errors import UserError
from plates.files import atomic
from plates.settings.params import Params
from stages import faults
from stages.snapshot import Snapshot

LOCKED = ("Unable to acquire lock", "is busy, it is being blocked by")
PATIENCE_S = 120.0


def commit(root: Path, stage: str, began: Snapshot) -> None:
    """`dvc commit` of one stage: its outputs, code, inputs and parameters go into `dvc.lock`.

    DVC reads code and parameters from the disk. Where they are not those that the stage `began` with, `dvc.lock` is put
    back. Another DVC process may hold DVC's lock: this waits for it, two minutes at most.

    Raises:
        UserError: DVC's own words, or what was edited in the meantime.
    """
    lock = root / "dvc.lock"
    before = lock.read_bytes() if lock.exists() else None
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "commit", "--force", "--quiet", stage],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            break
        if not any(busy in done.stderr for busy in LOCKED) or time.monotonic() > deadline:
            raise UserError(
                f"the files are written, and `dvc commit {stage}` failed: {faults.dvc_in_words(done.stderr, root)}"
            )
        time.sleep(0.5)
    if edited := _differences(yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"][stage], began):
        with atomic(lock) as temporary:
            temporary.write_bytes(before or b"")
        raise UserError(
            f"edited while {stage} was recorded: {', '.join(edited)}. dvc.lock is as it was. Make it again: plates run"
        )


def _differences(entry: dict[str, Any], began: Snapshot) -> list[str]:
    """What an entry of `dvc.lock` says of code and parameters that the stage did not begin with."""
    hashes = {dep["path"]: dep["md5"] for dep in entry.get("deps", [])}
    values = {key: value for file in entry.get("params", {}).values() for key, value in file.items()}
    return [
        *(path for path, found in began.code.items() if hashes.get(path) != found),
        *(f"params.yaml: {key}" for key, value in began.params.items() if key in values and read(key, values) != value),
    ]


def read(key: str, values: Mapping[str, Any]) -> Any:
    """What the schema makes of the value of `key` in `dvc.lock`, in JSON's types: `1e-3` may be a text there."""
    section, _, rest = key.partition(".")
    content: Any = values[key]
    for part in reversed(rest.split(".") if rest else []):
        content = {part: content}
    schema: TypeAdapter[Any] = TypeAdapter(cast(Any, Params.model_fields[section].annotation))
    found = schema.dump_python(schema.validate_python(content), mode="json")
    for part in rest.split(".") if rest else []:
        found = found[part]
    return found
