"""The temp table `pushable`: every record of a target as it should be, and what the ledger says of it."""

from __future__ import annotations

import json
from typing import Any

import duckdb

from connector.errors import MappingError
from connector.salesforce.targets import Target, payload_sql
from connector.settings import Settings
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import FieldMap, Mapping

sql = statements(__package__)


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
    """Fill `pushable` (connector/push/sql/pushable.sql) with the payloads of `fields`; `full` makes all due."""
    query = maps.sql(target.query)
    values: dict[str, Any] = {"tenant_id": settings.tenant_id, "org_id": org_id, "object": target.object}
    if "$push_unmatched" in query:
        values["push_unmatched"] = settings.salesforce.push_unmatched
    values |= {"full": full, "update_only": target.update_only}
    try:
        connection.execute(sql("pushable", query=query, payload=payload_sql(fields)), values)
    except (duckdb.BinderException, duckdb.ParserException) as failure:
        raise MappingError(
            f"salesforce_fields.csv and sql/{target.query}.sql do not fit together: {str(failure).splitlines()[0]}",
            remedy="Name a column of the query as source, or correct the query.",
        ) from None


def samples(
    connection: Connection, most: int, table: str = "pushable", order: str = "sort_key, external_id"
) -> list[dict[str, Any]]:
    """Up to `most` records of each action but `unchanged`: {action, external_id, payload}."""
    found = connection.execute(
        f"SELECT action, external_id, payload FROM {table} WHERE action <> 'unchanged'"
        f" QUALIFY row_number() OVER (PARTITION BY action ORDER BY {order}) <= ? ORDER BY action, external_id",
        [most],
    ).fetchall()
    return [{"action": action, "external_id": key, "payload": json.loads(payload)} for action, key, payload in found]
