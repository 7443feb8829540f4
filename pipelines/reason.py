"""Why a step of a Dagster run failed, in its asset's words."""

import dagster as dg

import assets


def reason(event: dg.DagsterEvent) -> str:
    """Why a step failed, in words; if it was interrupted, what it keeps."""
    data, stage = event.step_failure_data, (assets.graph() | assets.on_request()).get(event.step_key or "")
    keeps = stage.keeps if stage else ""
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    if data.error and data.error.cls_name == "DagsterExecutionInterruptedError":
        kept = f"Kept: {keeps};" if keeps else "Its files are unchanged;"
        return f"interrupted. {kept} the same command {'continues from there' if keeps else 'starts it over'}"
    if check_failed(event):
        return "this blocking check did not pass; plates run says why"
    return data.error.to_string() if data.error else event.message or "failed"


def check_failed(event: dg.DagsterEvent) -> bool:
    """Whether the step is a blocking check that did its work, and failed: its own event says why."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def early(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed before any of its steps began."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        data = entry.dagster_event and entry.dagster_event.job_failure_data
        error = data.error if data else None
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return error.message.strip().removeprefix("plates.errors.UserError: ")
    return "it failed before any asset started; its page in plates ui has the cause"
