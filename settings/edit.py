"""Changing `params.yaml` from the command line: comments and order stay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from lineage.errors import UserError
from lineage.files import atomic
from settings.params import knobs, nearest
from settings.params import parse as check


def parse(assignments: Sequence[str]) -> dict[str, Any]:
    """Reads `KEY=VALUE` words; the value is YAML. `UserError` for an unknown key, naming the nearest known one."""
    known = {key for key, _ in knobs()}
    changes = {}
    for word in assignments:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"--set {word}: write KEY=VALUE, as data.root=/photos")
        if key not in known:
            hint = nearest(key)
            raise UserError(f"--set {word}: no such setting" + (f"; did you mean {hint}?" if hint else ""))
        try:
            changes[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"--set {word}: the value is not YAML: {error}") from None
    return changes


def write(path: Path, changes: Mapping[str, Any]) -> None:
    """Puts `changes` (dotted key to value) into the file, after checking the whole; on `UserError` it stays as is."""
    round_trip = YAML()
    round_trip.preserve_quotes = True
    round_trip.width = 200
    content = round_trip.load(path.read_text(encoding="utf-8")) or {}
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = content
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    check(content, str(path))
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        round_trip.dump(content, stream)
