"""The last result of each stage according to `dvc.lock`, whether Dagster or DVC made it or restored it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from plates.errors import UserError
from plates.settings.params import Params
from stages import faults
from stages.snapshot import Snapshot
from stages.stage import Stage

FILE = "dvc.lock"


@dataclass(frozen=True)
class Entry:
    """The last result of one stage.

    Attributes:
        deps: the path of each source file and input, and its content hash.
        params: each key of `params.yaml` that the stage reads, and its value as YAML gives it.
        outs: the path of each output, and its content hash.
    """

    deps: Mapping[str, str]
    params: Mapping[str, Any]
    outs: Mapping[str, str]

    def began(self, stage: Stage) -> Snapshot:
        """The code and parameters that the result was made with."""
        code = {path: found for path, found in self.deps.items() if path not in stage.reads}
        return Snapshot(code, {key: value(key, self.params) for key in stage.params}, {})


def read(root: Path) -> dict[str, Entry]:
    """The entries of the project in `root` by stage name; none before the first run.

    Raises:
        UserError: the file is damaged.
    """
    file = root / FILE
    try:
        stages = dict(yaml.safe_load(file.read_text(encoding="utf-8")).get("stages", {})) if file.exists() else {}
        return {
            name: Entry(
                {dep["path"]: dep["md5"] for dep in entry.get("deps", [])},
                {key: found for values in entry.get("params", {}).values() for key, found in values.items()},
                {out["path"]: out["md5"] for out in entry.get("outs", [])},
            )
            for name, entry in stages.items()
        }
    except KeyError as error:
        raise UserError(faults.damaged_lock(f"an entry has no {error}")) from None
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
        raise UserError(faults.damaged_lock(str(error).partition("\n")[0])) from None


def value(key: str, values: Mapping[str, Any]) -> Any:
    """The value of `key` as the schema reads it, in JSON's types: `1e-3` may be a string in `dvc.lock`.

    The default if there is none; the value unchanged if today's schema refuses it.
    """
    section, _, rest = key.partition(".")
    parts = rest.split(".") if rest else []
    content: Any = values.get(key, {})
    for part in reversed(parts) if key in values else ():
        content = {part: content}
    schema: TypeAdapter[Any] = TypeAdapter(cast(Any, Params.model_fields[section].annotation))
    try:
        found = schema.dump_python(schema.validate_python(content), mode="json")
    except ValidationError:
        return values[key]
    for part in parts:
        found = found[part]
    return found
