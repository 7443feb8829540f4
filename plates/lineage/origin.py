"""What made a file, and what was made from it: looked up in the records by the hash of its content."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from plates.hashes import content_hash
from plates.lineage.cache import Cache
from plates.lineage.record import Record, flat


@dataclass(frozen=True)
class Place:
    """Where a record has some content: the output and, if that is a folder, which file in it; `""` for the whole."""

    record: Record
    output: str
    inside: str


@dataclass(frozen=True)
class Steps:
    """The stages that led to a record, by its `dvc.lock`, and what each read and wrote.

    The lock also has the stages after the record, as they last ran for another one.
    """

    record: Record

    @cached_property
    def stages(self) -> Mapping[str, Any]:
        """By name, in the order in which they ran."""
        stages = yaml.load(self.record.dvc_lock, Loader=_Loader).get("stages", {})
        return {
            name: stage
            for name, stage in stages.items()
            if any(out["path"] in self.record.outputs for out in stage.get("outs", []))
        }

    @cached_property
    def _makers(self) -> dict[str, str]:
        return {path: name for name in self.stages for path in self._paths(name, "outs")}

    def maker(self, output: str) -> str | None:
        """The stage that wrote an output."""
        return self._makers.get(output)

    def inputs(self, stage: str) -> dict[str, str]:
        """The outputs of other stages that a stage read, with their hashes."""
        return {
            dep["path"]: dep["md5"]
            for dep in self.stages[stage].get("deps", [])
            if "md5" in dep and self.maker(dep["path"])
        }

    def sources(self, stage: str) -> dict[str, str]:
        """The source files that a stage ran, with their hashes."""
        return {
            dep["path"]: dep.get("md5", "") for dep in self.stages[stage].get("deps", []) if not self.maker(dep["path"])
        }

    def params(self, stage: str) -> dict[str, Any]:
        """The parameters that a stage read, by names such as `train.seed`."""
        return flat(self.stages[stage].get("params", {}).get("params.yaml", {}))

    def upstream(self, output: str) -> list[str]:
        """The stages that led to an output, in the order they ran; its own is the last."""
        wanted, found = {output}, []
        for name in reversed(list(self.stages)):
            if wanted & set(self._paths(name, "outs")):
                found.append(name)
                wanted |= set(self.inputs(name))
        return found[::-1]

    def made_from(self, output: str) -> list[str]:
        """Every output made from an output, the nearest first."""
        reached, found = {output}, []
        for name in self.stages:
            if reached & set(self._paths(name, "deps")):
                new = [path for path in self._paths(name, "outs") if path not in reached]
                reached.update(new)
                found += new
        return found

    def _paths(self, stage: str, kind: str) -> list[str]:
        return [entry["path"] for entry in self.stages[stage].get(kind, [])]


def places(root: Path, records: list[Record], path: Path) -> list[Place]:
    """Where records have the content of a file or folder, oldest first; outputs of its own name alone, if any are.

    Args:
        root: the project's folder.
        records: to look in.
        path: anywhere on the disk.
    """
    md5, cache = content_hash(path), Cache.of(root)
    inside: dict[str, str | None] = {}

    def look(content: str) -> str | None:
        if content not in inside:
            inside[content] = next((name for name, of in _files(cache, content) if of == md5), None)
        return inside[content]

    found = []
    for record in records:
        for output, content in record.outputs.items():
            if content == md5:
                found.append(Place(record, output, ""))
            elif content.endswith(".dir") and (name := look(content)):
                found.append(Place(record, output, name))
        if record.outcomes == md5:
            found.append(Place(record, "data/outcomes.parquet", ""))
    resolved = path.resolve()
    named = [place for place in found if (root / place.output / place.inside).resolve() == resolved]
    return named or found


def sha256(path: Path) -> bytes:
    """Of a photograph's file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _files(cache: Cache, content: str) -> Iterator[tuple[str, str]]:
    """The files of a folder; none if its list is not kept here."""
    if cache.find(content):
        yield from cache.files(content)


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
