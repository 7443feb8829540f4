"""The launchpad knows every setting with its type, and what it sets is in params.yaml."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.launchpad import resource, write
from plates.errors import UserError
from plates.settings.params import Params, knobs
from plates.settings.project import Project


@dg.asset
def nothing(project: dg.ResourceParam[Project]) -> None: ...


def config(**sections: Any) -> dict[str, Any]:
    return {"resources": {"project": {"config": sections}}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "params.yaml").write_text("train:\n  steps: 3\n")
    return Project(tmp_path)


@pytest.fixture
def job(project: Project) -> dg.JobDefinition:
    defs = dg.Definitions(assets=[nothing], resources={"project": resource(project)})
    return defs.resolve_implicit_global_asset_job_def()


def test_every_default_is_of_the_type_that_the_launchpad_asks_for(job: dg.JobDefinition) -> None:
    assert dg.validate_run_config(job, config(**Params().model_dump(mode="json")))


@pytest.mark.parametrize(
    "sections", [{"train": {"steps": "many"}}, {"train": {"stepz": 1}}, {"split": {"method": "by chance"}}]
)
def test_a_wrong_value_is_refused_in_the_launchpad(job: dg.JobDefinition, sections: dict[str, Any]) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, config(**sections))


def test_every_setting_says_there_what_it_is(project: Project) -> None:
    def described(shape: Any, prefix: str) -> dict[str, str]:
        found = {}
        for name, field in shape.fields.items():
            inner = getattr(field.config_type, "fields", None)
            found |= described(field.config_type, f"{prefix}{name}.") if inner else {prefix + name: field.description}
        return found

    shape = resource(project).config_schema.config_type
    assert described(shape, "") == {key: field.description for key, field in knobs()}


def test_what_is_set_is_written_and_what_is_out_of_range_is_not(project: Project) -> None:
    file = project.root / "params.yaml"
    assert write(project, {}) == {}
    assert write(project, config(train={"steps": 5}, split={"seed": 2})) == {"train.steps": 5, "split.seed": 2}
    assert (Project(project.root).params.train.steps, Project(project.root).params.split.seed) == (5, 2)
    before = file.read_bytes()
    with pytest.raises(UserError, match="train"):
        write(project, config(train={"steps": 0}))
    assert file.read_bytes() == before
