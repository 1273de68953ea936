"""Checks that an asset yields about its own work, in the run that did it. A soft one warns and lets the run succeed."""

from __future__ import annotations

from typing import Any

import dagster as dg


def spec(asset: str, name: str, description: str) -> dg.AssetCheckSpec:
    """A check of the asset `folder/name`."""
    return dg.AssetCheckSpec(name, asset=dg.AssetKey(asset.split("/")), description=description)


def soft(name: str, *, passed: bool, description: str = "", **metadata: Any) -> dg.AssetCheckResult:
    """Something a person should look at; nothing downstream is wrong because of it."""
    return _result(name, passed, dg.AssetCheckSeverity.WARN, description, metadata)


def hard(name: str, *, passed: bool, description: str = "", **metadata: Any) -> dg.AssetCheckResult:
    """Something that must hold; a failure means that rows were lost or invented here."""
    return _result(name, passed, dg.AssetCheckSeverity.ERROR, description, metadata)


def _result(
    name: str, passed: bool, severity: dg.AssetCheckSeverity, description: str, metadata: dict[str, Any]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=severity, description=description or None, metadata=metadata
    )
