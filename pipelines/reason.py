"""Why a step of a run in Dagster failed, as its asset said it."""

import dagster as dg

import assets


def reason(event: dg.DagsterEvent) -> str:
    """Why a step failed, in words; where it was interrupted, what it keeps."""
    data, stage = event.step_failure_data, (assets.graph() | assets.on_request()).get(event.step_key or "")
    keeps = stage.keeps if stage else ""
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    if data.error and data.error.cls_name == "DagsterExecutionInterruptedError":
        kept = f"Kept: {keeps}, from where" if keeps else "Its files are as they were before;"
        return f"interrupted. {kept} the same command {'continues' if keeps else 'begins it again'}"
    return data.error.to_string() if data.error else event.message or "failed"
