"""What Dagster loads: the assets, their checks, the jobs, and when they run by themselves."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

import assets
import checks
from pipelines import deliveries, failures, jobs, launchpad, lost, resources, restored, schedules, sensors
from pipelines.executor import one_run_at_a_time
from stages.asset import definition
from stages.code import require_own_code

# Dagster copies a sensor that starts a job, and warns of a parameter that nobody gave.
warnings.filterwarnings(
    "ignore", message="Parameter `owners` of initializer `SensorDefinition", category=dg.BetaWarning
)


def build_defs(
    overrides: Mapping[str, Any] | None = None, executor: dg.ExecutorDefinition = dg.in_process_executor
) -> dg.Definitions:
    """The definitions, with `overrides` in place of resources of the same name.

    A run's steps share one process: starting one for each asset and check would take longer than most of them. Pass
    another of Dagster's executors to spread them over processes or machines.
    """
    project = resources.project()
    require_own_code(project.root)
    graph = assets.graph()
    maker = assets.writers(graph)
    of_stages = dg.load_asset_checks_from_package_module(checks)
    checked = {spec.asset_key.to_user_string() for one in of_stages for spec in one.check_specs if spec.blocking}
    return dg.Definitions(
        assets=[
            *(
                definition(stage, maker, project, name in checked)
                for name, stage in (graph | assets.on_request()).items()
            ),
            deliveries.delivery,
        ],
        asset_checks=[*of_stages, deliveries.fit_to_learn_from],
        jobs=[jobs.retrain, jobs.refresh_data, jobs.reevaluate, deliveries.validate_deliveries],
        schedules=[schedules.weekly_retrain],
        sensors=[
            sensors.new_photographs,
            deliveries.new_deliveries,
            restored.results_of_dvc,
            failures.failed_runs,
            lost.lost_runs,
        ],
        executor=one_run_at_a_time(executor, project),
        resources={launchpad.RESOURCE: launchpad.resource(project), **(overrides or {})},
    )


defs = build_defs()
