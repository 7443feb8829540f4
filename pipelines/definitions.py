"""What Dagster loads: the assets, their checks, the jobs, and when they run by themselves."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

import assets
import checks
from pipelines import jobs, resources, schedules, sensors


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions, with `overrides` in place of resources of the same name."""
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        asset_checks=dg.load_asset_checks_from_package_module(checks),
        jobs=[jobs.retrain, jobs.refresh_data, jobs.reevaluate],
        schedules=[schedules.weekly_retrain],
        sensors=[sensors.new_photographs],
        resources={"project": resources.project(), **(overrides or {})},
    )


defs = build_defs()
