"""How Dagster runs what it starts: one run at a time on the project, held by its lock."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipelines import launchpad, lost, restored, tags
from plates.errors import UserError
from plates.settings.project import Project
from stages import faults, lock
from stages.processes import Process

DOOR = "dagster"


class OneRunAtATime(dg.Executor):
    """Waits until no other run holds `project`, then leaves the steps to `inner`."""

    def __init__(self, inner: dg.Executor, project: Project) -> None:
        self._inner = inner
        self._project = project

    @property
    def retries(self) -> Any:
        """The retries of `inner`."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        """When `inner` starts a step."""
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Runs the steps; a run that is cancelled while it waits ends without running any."""
        instance, run_id = plan_context.instance, plan_context.run_id

        def stop_if_cancelled() -> None:
            run = instance.get_run_by_id(run_id)
            if run is None or run.status != dg.DagsterRunStatus.STARTED:
                raise dg.DagsterExecutionInterruptedError("cancelled while it waited for another run")

        root = self._project.root
        instance.add_run_tags(run_id, lost.launched(root, Process.of(os.getpid())))
        with lock.work(root, DOOR, plan_context.log.info, stop_if_cancelled) as turn:
            if said := faults.conflicts(root):
                raise dg.Failure(said)
            if Project(root).params != self._project.params:
                raise dg.Failure("params.yaml was edited while this run waited for another. Launch it again.")
            try:
                changes = launchpad.write(self._project, plan_context.run_config)
            except UserError as error:
                raise dg.Failure(str(error)) from error
            if changes:
                plan_context.log.info(f"params.yaml: {', '.join(f'{key} = {to}' for key, to in changes.items())}")
            lost.end(instance, root)
            restored.report(root, instance)
            instance.add_run_tags(run_id, tags.of(root, turn))
            for event in self._inner.execute(plan_context, execution_plan):
                yield event
                tags.add_record(instance, turn, event)


def one_run_at_a_time(inner: dg.ExecutorDefinition, project: Project) -> dg.ExecutorDefinition:
    """`inner` under the lock of `project`, with the same name and configuration."""

    def create(context: dg.InitExecutorContext) -> OneRunAtATime:
        assert inner.executor_creation_fn is not None
        return OneRunAtATime(inner.executor_creation_fn(context), project)

    config = inner.config_schema.as_field()
    return dg.ExecutorDefinition(inner.name, config, inner.get_requirements, create, inner.description)
