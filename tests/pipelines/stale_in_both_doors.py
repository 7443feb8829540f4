"""Run inside a clone: prints, as JSON, what `dvc status` names and what Dagster shows as stale, and why."""

import json
import os
from pathlib import Path

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from dvc.repo import Repo

import assets
from pipelines.definitions import defs

graph = defs.resolve_asset_graph()
with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
    statuses = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    stale = {
        key.to_user_string(): [cause.reason for cause in statuses.get_stale_causes(key)] or ["missing"]
        for key in map(dg.AssetKey, assets.graph())
        if statuses.get_status(key) != StaleStatus.FRESH
    }
print(json.dumps({"dvc": Repo(str(Path.cwd())).status(), "dagster": stale}))
