"""A stage as a Dagster asset: runs the body, compares the end with the beginning, and tells DVC."""

import json
import os
import time
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from plates.errors import UserError
from plates.files import damage
from plates.hashes import content_hash
from plates.quiet import import_tensorflow
from plates.settings.project import Project
from stages import faults, snapshot, uncommitted
from stages.dvc_commit import commit
from stages.outdated import require_current
from stages.run import Run
from stages.stage import Stage

TOUCHED = "files and parameters asked for: "

CODE_VERSION = "dagster/code_version"
"""The tag for the code that ran: it or `params.yaml` may have been edited since the definitions were loaded."""

OWNER = "team:plates"

DIGITS = 4
"""Significant digits of shown figures that are not integers."""

RETRIES, WAIT_S = 2, 30
"""How often an asset is retried, after how many seconds, if `faults.passes`; other failures are not retried."""

REMAKE = (
    dg.AutomationCondition.eager().replace("newly_updated", dg.AutomationCondition.data_version_changed())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)
"""Made again when the content of its inputs is new and none of their blocking checks failed."""

WARNED = timedelta(days=8)
LOOKED = dg.FreshnessPolicy.time_window(warn_window=WARNED, fail_window=2 * WARNED)
"""For stages that look outside the project: the UI warns if no run has looked for over a week."""


def definition(
    stage: Stage, maker: Mapping[str, Stage], project: Project, checked: bool = False
) -> dg.AssetsDefinition:
    """The asset that runs `stage`.

    Args:
        maker: the stage that writes each path; what `stage` reads is upstream.
        project: the project that the graph is defined for; its parameters are in the code version.
        checked: a blocking check judges the result, and DVC is told of it after that.
    """

    @dg.asset(
        name=stage.name,
        deps=sorted({maker[path].name for path in stage.reads}),
        group_name=stage.group,
        kinds=set(stage.kinds),
        description=stage.description,
        code_version=snapshot.take(project, stage).version,
        pool=stage.pool,
        owners=[OWNER],
        metadata=_declared(stage),
        automation_condition=REMAKE if stage.reads and stage.in_dvc else None,
        freshness_policy=LOOKED if stage.always else None,
    )
    def materialize(context: dg.AssetExecutionContext, project: dg.ResourceParam[Project]) -> dg.MaterializeResult:
        started = time.monotonic()
        before = snapshot.take(project, stage)
        run = Run(project, stage, before.version, context.log, context.run.run_id)
        try:
            require(project, stage, maker)
            uncommitted.forget(project, stage.name)
            if stage.tensorflow:
                import_tensorflow()
            metadata = {name: _rounded(value) for name, value in stage.body(run).items()}
            context.log.debug(f"{TOUCHED}{json.dumps(sorted(run.project.touched))}")
            before.require_unchanged(snapshot.take(Project(project.root), stage), stage)
            if stage.in_dvc and "DVC_STAGE" not in os.environ:
                if checked:
                    uncommitted.keep(project, stage.name, before)
                else:
                    commit(project.root, stage.name, before)
        except UserError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        except Exception as error:
            if words := faults.in_words(error, project.root):
                failure = dg.Failure(description=words, allow_retries=False)
                if faults.passes(error):
                    raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=WAIT_S) from failure
                raise failure from error
            raise
        finally:
            run.progress.close()
        metadata["seconds"] = round(time.monotonic() - started, 1)
        hashes = {path: content_hash(project.path(path)) for path in stage.versioned}
        version = dg.DataVersion(stage.data_version(hashes)) if stage.in_dvc else None
        return dg.MaterializeResult(metadata=metadata, data_version=version, tags={CODE_VERSION: before.version})

    return materialize


def _rounded(value: Any) -> Any:
    """A float rounded for display; files keep every digit."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _declared(stage: Stage) -> dict[str, Any]:
    """The declaration as the UI shows it, with a link to the file."""
    code = stage.body.__code__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=code.co_filename, line_number=code.co_firstlineno)
        link = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {
        "dagster/code_references": link,
        "reads": [*stage.reads, *stage.sources],
        "writes": [out.path for out in stage.writes],
        "settings": list(stage.params),
    }


def require(project: Project, stage: Stage, maker: Mapping[str, Stage]) -> None:
    """Raises `UserError` if an input of the stage is missing, damaged, or not the table that its stage writes.

    Also if the stage `vouches` for those before it, and one of them is out of date.
    """
    missing = [path for path in stage.reads if not project.path(path).exists()]
    if missing:
        raise UserError(
            f"needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not there yet. "
            f"Run `plates run`, or materialize the assets before it."
        )
    gone = [path for path in stage.sources if not project.path(path).exists()]
    if gone:
        raise UserError(f"needs {', '.join(gone)}, which Git keeps. Bring it back: git checkout -- {' '.join(gone)}")
    schemas = {path: maker[path].schema(path) for path in stage.reads}
    damaged = [f"{path} ({why})" for path in stage.reads if (why := damage(project.path(path), schemas[path]))]
    if damaged:
        raise UserError(f"needs {', '.join(damaged)}: damaged. Make it again: plates run")
    if stage.vouches:
        require_current(project, stage, maker)
