"""Checks that an asset yields about its own work, in the run that did it. A soft one warns and lets the run succeed."""

from typing import Any

import dagster as dg


def spec(asset: str, name: str, description: str) -> dg.AssetCheckSpec:
    """A check of the asset `folder/name`."""
    return dg.AssetCheckSpec(name, asset=dg.AssetKey(asset.split("/")), description=description)


def soft(
    name: str, *, passed: bool, description: str = "", asset: dg.AssetKey | None = None, **metadata: Any
) -> dg.AssetCheckResult:
    """Something a person should look at; nothing downstream is wrong because of it.

    `asset` is needed where a step has a check of this name on several assets.
    """
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description or None,
        metadata=metadata,
    )


def hard(
    name: str, *, passed: bool, description: str = "", asset: dg.AssetKey | None = None, **metadata: Any
) -> dg.AssetCheckResult:
    """Something that must hold: rows were lost or invented here or by the source, not read, or kept back until
    somebody looks.

    `asset` is needed where a step has a check of this name on several assets.
    """
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description or None,
        metadata=metadata,
    )


def keys_unique(repeated: int, table: str) -> dg.AssetCheckResult:
    """No index refuses a second row of a key, so the rows are counted by key."""
    said = f"Keys that stand in more than one row of {table}: {repeated}; see `learnsync doctor`." if repeated else ""
    return hard("keys_unique", passed=not repeated, description=said, repeated=repeated)
