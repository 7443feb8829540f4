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
    return data.error.to_string() if data.error else event.message or "failed"
