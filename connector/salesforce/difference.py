"""The temp table `pushable`: every record of a target as it should be, and what the ledger says of it."""

from __future__ import annotations

from typing import Any

from connector.salesforce.targets import Target, payload_sql
from connector.settings import Settings
from connector.warehouse.database import Connection, sql
from mappings import FieldMap, Mapping


def compute(
    connection: Connection,
    settings: Settings,
    maps: Mapping,
    *,
    org_id: str,
    target: Target,
    fields: tuple[FieldMap, ...],
    full: bool = False,
) -> None:
    """Fill `pushable` (connector/warehouse/sql/pushable.sql) with the payloads of `fields`; `full` makes all due."""
    query = maps.sql(target.query)
    values: dict[str, Any] = {"tenant_id": settings.tenant_id, "org_id": org_id, "object": target.object}
    if "$push_unmatched" in query:
        values["push_unmatched"] = settings.salesforce.push_unmatched
    values["full"] = full
    first = "update" if target.update_only else "create"
    connection.execute(sql("pushable", query=query, payload=payload_sql(fields), first=first), values)
