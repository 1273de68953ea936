"""Reading a run's result."""

from __future__ import annotations

from typing import Any

import dagster as dg


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The plain values of an asset's materialization in a run."""
    for event in result.get_asset_materialization_events():
        if event.materialization.asset_key == dg.AssetKey(asset.split("/")):
            return {name: value.value for name, value in event.materialization.metadata.items()}
    raise AssertionError(f"{asset} was not materialized")


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """`asset:check` → its evaluation in a run."""
    return {
        f"{found.asset_key.to_user_string()}:{found.check_name}": found
        for found in result.get_asset_check_evaluations()
    }


def failures_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Step → the Failure that its asset raised."""
    return {
        str(event.step_key): event.step_failure_data.user_failure_data
        for event in result.all_events
        if event.is_step_failure
    }
