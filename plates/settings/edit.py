"""Changes `params.yaml` from the command line: only the lines of the named settings change."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.util import load_yaml_guess_indent

from plates.errors import UserError
from plates.files import atomic
from plates.remote import is_url
from plates.settings.params import Params, knobs, nearest, read_text
from plates.settings.params import parse as check
from plates.settings.project import Project
from plates.settings.yaml_text import read_yaml

PATHS = ("data.root", "data.annotations")


def parse(assignments: Sequence[str]) -> dict[str, Any]:
    """Reads `KEY=VALUE` words; the value is YAML or a path, which is relative to the working folder.

    `UserError` for an unknown key, naming the nearest known one, and for a value that the setting never takes. Whether
    it agrees with the other settings shows when it is written.
    """
    known = {key for key, _ in knobs()}
    changes = {}
    for word in assignments:
        key, equals, text = word.partition("=")
        if not equals:
            raise UserError(f"--set {word}: write KEY=VALUE, such as data.root=/photos")
        if key not in known:
            raise UserError(f"--set {word}: {unknown(key)}")
        value = text if key in PATHS and _is_plain(text) else read_yaml(text, f"--set {word}: the value")
        if against := refused(key, value):
            raise UserError(f"--set {word}: {', or '.join(against)}. {_instead(key, text)}")
        changes[key] = _from_root(value) if key in PATHS and value else value
    return changes


def write(path: Path, changes: Mapping[str, Any], look: Callable[[Params], None] = lambda _: None) -> None:
    """Puts `changes` (dotted key to value) into the file; on `UserError` it stays as it is.

    The whole is checked first, and then shown to `look`, which may refuse it too.
    """
    text = read_text(path)
    read_yaml(text, str(path))
    round_trip = YAML()
    round_trip.preserve_quotes = True
    round_trip.width = sys.maxsize
    content = round_trip.load(text)
    content = CommentedMap() if content is None else content
    _keep_indents(round_trip, text, content)
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = content
        for section in sections:
            if isinstance(place, CommentedMap):
                place = place.setdefault(section, CommentedMap())
        if isinstance(place, CommentedMap):  # else the check says what is in a section's place
            place[name] = _stored(round_trip, value)
    look(check(content, f"{path} (not changed), with the settings asked for"))
    if not changes:
        return
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        round_trip.dump(content, stream)


def as_yaml(value: Any) -> str:
    """`value` as one writes it after `KEY=`, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=sys.maxsize)
    return text.removesuffix("\n").removesuffix("\n...")


def unknown(key: str) -> str:
    """Why `key` is not a setting, with the nearest one."""
    if members := [known for known, _ in knobs() if known.startswith(f"{key}.")]:
        return f"{key} is a section. Set one of its settings, such as {members[0]}=VALUE; list: plates params {key}"
    hint = nearest(key)
    return "no such setting" + (f"; did you mean {hint}?" if hint else ". All settings: plates params")


def refused(key: str, value: Any) -> list[str]:
    """What the schema says against `value` for `key`, whatever the other settings are; empty if it takes it."""
    parts = key.split(".")
    content = value
    for part in reversed(parts):
        content = {part: content}
    try:
        Params.model_validate(content)
    except ValidationError as error:
        own = [item["msg"] for item in error.errors() if list(item["loc"][: len(parts)]) == parts]
        return list(dict.fromkeys(said.removeprefix("Value error, ").removeprefix("Input ") for said in own))
    return []


def _is_plain(path: str) -> bool:
    """Whether a path is meant as it is written, whatever YAML makes of a `#`; else it is quoted, or null."""
    return path not in ("", "null", "~") and path[0] not in "'\""


def _instead(key: str, text: str) -> str:
    """How to write a refused value so that it is taken: as a list, or as text; else where its meaning is explained."""
    for form in (f"[{text}]", f'"{text}"'):
        try:
            if not refused(key, read_yaml(form, key)):
                return f"Write --set {shlex.quote(f'{key}={form}')}"
        except UserError:
            continue
    return f"Allowed values: plates params {key}"


def _from_root(given: str) -> str:
    """A path given in the working folder, as the project stores it: relative to its root, else absolute."""
    folder = Path.cwd()
    if is_url(given) or Path(given).is_absolute() or given.startswith("~") or (root := Project.find().root) == folder:
        return given
    path = Path(os.path.abspath(folder / given))
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _stored(round_trip: YAML, value: Any) -> Any:
    """`value` for the file, which is kept in the form that DVC writes: empty for null, words with commas between them.

    `dvc exp run -S` loses the comment after a list of YAML's own.
    """
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return None if value is None else round_trip.load(as_yaml(value))


def _keep_indents(round_trip: YAML, text: str, content: Any) -> None:
    """Has the file written with the indents that it has, which someone may have changed."""
    _, sequence, dash = load_yaml_guess_indent(text)
    if dash is not None:
        round_trip.sequence_indent, round_trip.sequence_dash_offset = sequence, dash
    if isinstance(content, CommentedMap):
        columns = [section.lc.col for section in content.values() if isinstance(section, CommentedMap)]
        round_trip.map_indent = min(columns, default=2)
