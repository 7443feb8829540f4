"""What the body of an asset works with: the project as its stage declares it, progress, and Dagster's log."""

from pathlib import Path
from typing import Any, cast

import dagster as dg
from pydantic import BaseModel

from plates.lineage.record import flat
from plates.settings.params import Params
from plates.settings.project import Project
from stages.progress import Progress
from stages.stage import Stage


class UndeclaredError(LookupError):
    """The body of an asset uses a file or parameter that its declaration does not name."""


class DeclaredProject(Project):
    """A project that shows a stage only the files and parameters it declares; anything else is an `UndeclaredError`.

    So neither Dagster nor DVC can consider an asset up to date if it read something they do not know of. The folder of
    photographs is not hidden: its content is versioned in `data/raw_images.parquet`.
    """

    def __init__(self, project: Project, stage: Stage) -> None:
        super().__init__(project.root)
        vars(self).update(all_params=project.all_params, stage=stage, touched=set())

    stage: Stage
    touched: set[str]
    """The files and parameters asked for so far."""

    @property
    def params(self) -> Params:
        """The declared parameters; they were read once, when the run began."""
        return cast(Params, _Section(self, self.all_params, ""))

    def declared_params(self) -> dict[str, Any]:
        """The declared parameters by name, such as `train.steps`."""
        known = flat(self.all_params.model_dump(mode="json"))
        self.touched.update(self.stage.params)
        return {key: known[key] for key in known if f"{key}.".startswith(tuple(f"{one}." for one in self.stage.params))}

    @property
    def annotations(self) -> Path | None:
        """The COCO JSON, for a stage that declares it."""
        return super().annotations if self.params.data.annotations else None

    def path(self, relative: str) -> Path:
        """A declared input or output."""
        declared = (*self.stage.reads, *self.stage.sources, *(out.path for out in self.stage.writes))
        holding = [known for known in declared if relative == known or relative.startswith(f"{known}/")]
        if not holding:
            raise UndeclaredError(f"{self.stage.name} uses {relative}: add it to reads, sources or writes in its file")
        self.touched.update(holding)
        return super().path(relative)


class _Section:
    """A section of the parameters, limited to what a stage declares."""

    def __init__(self, project: DeclaredProject, section: BaseModel, prefix: str) -> None:
        self._project, self._content, self._prefix = project, section, prefix

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._content, name)
        key = f"{self._prefix}{name}"
        declared = self._project.stage.params
        if holding := [known for known in declared if key == known or key.startswith(f"{known}.")]:
            self._project.touched.update(holding)
            return value
        if any(known.startswith(f"{key}.") for known in declared):
            return _Section(self._project, value, f"{key}.")
        raise UndeclaredError(f"{self._project.stage.name} reads the parameter {key}: add it to params in its file")


class Run:
    """What the body of an asset is given.

    Attributes:
        version: the code version, a hash of the asset's code and parameters.
        id: Dagster's id of the run.
    """

    def __init__(self, project: Project, stage: Stage, version: str, log: dg.DagsterLogManager, id: str) -> None:
        self.project = DeclaredProject(project, stage)
        self.params = self.project.params
        self.version = version
        self.id = id
        self.log = log
        self.progress = Progress(log)
