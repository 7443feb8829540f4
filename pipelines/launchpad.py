"""The settings of `params.yaml` as a run's configuration in Dagster's launchpad.

Settings given there are written to `params.yaml` when the run begins, as `plates run --set` does, and stay. So the
record, DVC and the file agree on a run, wherever it was started.
"""

from collections.abc import Mapping
from functools import partial
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel

from pipelines import inputs
from plates.lineage.record import flat
from plates.settings import edit
from plates.settings.params import Params
from plates.settings.project import Project

RESOURCE = "project"
SCALARS = (bool, int, float, str)


def resource(project: Project) -> dg.ResourceDefinition:
    """The project as the assets' resource, with the settings of a run."""
    return dg.ResourceDefinition(
        lambda _: Project(project.root),
        config_schema=dg.Field(_shape(Params), is_required=False),
        description="Settings for this run. They are written to params.yaml when it begins, and stay there.",
    )


def write(project: Project, run_config: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a run's settings to `params.yaml`, and returns them: dotted key to value.

    Raises:
        UserError: a value is refused. The file is then unchanged.
    """
    given = run_config.get("resources", {}).get(RESOURCE, {}).get("config") or {}
    changes = flat(given)
    if changes:
        edit.write(project.root / "params.yaml", changes, partial(inputs.require, project))
    return changes


def _shape(model: type[BaseModel], prefix: str = "") -> dg.Shape:
    fields = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            fields[name] = dg.Field(_shape(inner, f"{prefix}{name}_"), is_required=False)
        else:
            fields[name] = dg.Field(_type(inner, f"{prefix}{name}"), is_required=False, description=field.description)
    return dg.Shape(fields)


def _type(annotation: Any, name: str) -> Any:
    """Dagster's type for a setting's type; `Any` for a setting of several types, which the schema then checks."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType) and NoneType in parts and len(parts) == 2:
        return dg.Noneable(_type(next(part for part in parts if part is not NoneType), name))
    if origin is Literal:
        return dg.Enum(name, [dg.EnumValue(part) for part in parts])
    if origin is list:
        return dg.Array(_type(parts[0], name))
    return annotation if annotation in SCALARS else dg.Any
