"""Salesforce people into the warehouse, and which of them each Absorb learner is (contract section 7)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from connector.salesforce.client import SalesforceClient
from connector.warehouse.apply import apply_computed
from connector.warehouse.database import Connection
from mappings import Mapping

# Columns of salesforce.users and salesforce.contacts that are asked for; matching rules may use no others.
_QUERIES = {
    "User": ("users", ("Id", "FederationIdentifier", "Email", "Username", "IsActive", "SystemModstamp"), ""),
    "Contact": ("contacts", ("Id", "Email", "SystemModstamp"), " WHERE Email != null"),
}
_TYPES = {"IsActive": "BOOLEAN", "SystemModstamp": "TIMESTAMPTZ"}


@dataclass(slots=True)
class People:
    """Spooled answers of the people queries: object → NDJSON files."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    rows: int = 0


async def fetch(client: SalesforceClient, maps: Mapping, folder: Path) -> People:
    """Query the people that the matching rules look at into `folder`, page by page."""
    people = People()
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(rule.salesforce_object for rule in maps.learner_rules):
        _, columns, where = _QUERIES[name]
        files = people.files.setdefault(name, [])
        async for records in client.query(f"SELECT {', '.join(columns)} FROM {name}{where}"):
            path = folder / f"{name}-{len(files):06d}.ndjson"
            path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
            files.append(path)
            people.rows += len(records)
    return people


def store(connection: Connection, people: People, tenant_id: str) -> None:
    """Make salesforce.users and salesforce.contacts equal to what was fetched."""
    for name, files in people.files.items():
        table, columns, _ = _QUERIES[name]
        values = ", ".join(
            f'TRY_CAST("{column}" AS {_TYPES.get(column, "VARCHAR")}) AS "{column}"' for column in columns
        )
        shape = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE computed AS SELECT $tenant_id AS tenant_id, {values}"
            f" FROM read_json($files, columns = {{{shape}}}, format = 'newline_delimited')",
            {"tenant_id": tenant_id, "files": [str(path) for path in files]},
        )
        apply_computed(connection, f"salesforce.{table}", "Id", tenant_id)


def match(connection: Connection, maps: Mapping, tenant_id: str) -> dict[str, int]:
    """Recompute salesforce.learner_matches; returns learners per outcome. OwnerId follows in learning_item_progress."""
    connection.execute(maps.sql("match_learners"), {"tenant_id": tenant_id})
    apply_computed(connection, "salesforce.learner_matches", "user_id", tenant_id)
    connection.execute(maps.sql("own_progress"), {"tenant_id": tenant_id})
    counted = connection.execute(
        "SELECT outcome, count(*) FROM salesforce.learner_matches WHERE tenant_id = ? GROUP BY ALL ORDER BY ALL",
        [tenant_id],
    )
    return dict(counted.fetchall())
