"""Which learnings are to be created or updated: the catalogue against the ledger, prerequisites first."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb

from connector.errors import MappingError, PreflightError, SettingsError
from connector.errors import NotFoundError as MissingError
from connector.push import difference
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.api import FIRST_VERSION
from connector.salesforce.learnings.order import cycles, in_order
from connector.warehouse.database import Connection
from connector.warehouse.statements import rows_param, statements
from mappings import LearningField, Mapping

sql = statements(__package__)
push_sql = statements("connector.push")

TARGET, OBJECT = "learning", "Learning"
QUERY = "push_learnings"
SWITCH = "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH"
_REMEDY = (
    "Enable Education Cloud and deploy mappings/salesforce/education-cloud (docs/learnings-graph.md), or set"
    f" {SWITCH}=false."
)


@dataclass(frozen=True, slots=True)
class Item:
    """A learning that is to be sent: its fields as the API names them, and the courses it requires."""

    external_id: str
    payload_hash: str
    learning: dict[str, Any]
    prerequisites: tuple[str, ...]
    learning_id: str | None


@dataclass(slots=True)
class Plan:
    """What a push of the catalogue has to do."""

    counts: dict[str, int]
    items: list[Item]
    known: dict[str, str]  # course id → Salesforce id of its learning
    samples: list[dict[str, Any]]
    notes: list[str]


async def preflight(client: SalesforceClient, maps: Mapping) -> str:
    """The name of the key field. Raises SettingsError or PreflightError where the org cannot take learnings."""
    if float(client.version) < FIRST_VERSION:
        raise SettingsError(
            f"LEARNSYNC_SALESFORCE__API_VERSION = {client.version}: the Learnings Graph came with {FIRST_VERSION}.0.",
            remedy=f"Use a later version, or set {SWITCH}=false.",
        )
    try:
        describe = await client.describe("LearningCourse")
    except MissingError:
        await client.check_version()
        problem = "object LearningCourse does not exist, or the run-as user cannot see it"
        raise PreflightError([problem], remedy=_REMEDY) from None
    known = {entry["name"]: entry for entry in describe["fields"]}
    problems = [problem for field in maps.learnings for problem in _problems(field, known)]
    if problems:
        raise PreflightError(problems, remedy=_REMEDY)
    return next(field.custom or "" for field in maps.learnings if field.kind == "key")


def _problems(field: LearningField, known: dict[str, Any]) -> list[str]:
    if field.custom is None:
        return []
    name = f"LearningCourse.{field.custom}"
    entry = known.get(field.custom)
    if entry is None:
        return [f"field {name} does not exist, or the run-as user cannot see it"]
    if field.kind != "key":
        return []
    wanted = {
        "externalId": "marked as External ID",
        "unique": "marked as Unique",
        "createable": "createable for the run-as user",
    }
    return [f"field {name} is not {label}" for flag, label in wanted.items() if not entry.get(flag)]


def plan(
    connection: Connection, maps: Mapping, tenant_id: str, org_id: str, *, samples: int, full: bool = False
) -> Plan:
    """Compare the catalogue with the ledger. Writes temp tables only.

    Raises MappingError when the field map names a column that sql/push_learnings.sql does not have.
    """
    connection.execute(sql("catalogue_edges"), {"tenant_id": tenant_id})
    groups, notes = _cycles(connection)
    cyclic = [{"course_id": course, "group": at} for at, group in enumerate(groups) for course in group]
    connection.execute(sql("catalogue_prerequisites"), {"cyclic": rows_param(cyclic)})
    values = {"tenant_id": tenant_id, "org_id": org_id, "object": OBJECT}
    try:
        query = push_sql("pushable", query=maps.sql(QUERY), payload=payload_sql(maps.learnings))
        connection.execute(query, {**values, "full": full, "update_only": False})
    except duckdb.BinderException as failure:
        raise MappingError(
            f"learnings_fields.csv and sql/{QUERY}.sql do not fit together: {str(failure).splitlines()[0]}",
            remedy="Name a column of the query as source, or correct the query.",
        ) from None
    counts = dict(connection.execute("SELECT action, count(*) FROM pushable GROUP BY ALL").fetchall())
    known = _known(connection, values)
    items = _items(connection, known)
    return Plan(counts, items, known, difference.samples(connection, samples, order="external_id"), notes)


def _cycles(connection: Connection) -> tuple[list[list[str]], list[str]]:
    edges: dict[str, list[str]] = defaultdict(list)
    for course, required in connection.execute(
        "SELECT course_id, prerequisite_id FROM catalogue_edges WHERE known"
    ).fetchall():
        edges[course].append(required)
    groups = cycles(edges)
    notes = [
        f"{len(group)} course(s) require each other, so the prerequisites among them were left out: {', '.join(group)}"
        for group in groups
    ]
    unknown = connection.execute("SELECT count(*) FROM catalogue_edges WHERE NOT known").fetchone()
    if unknown and unknown[0]:
        notes.append(f"{unknown[0]} prerequisite(s) left out: the catalogue does not have the course they name")
    return groups, notes


def _known(connection: Connection, values: dict[str, str]) -> dict[str, str]:
    found = connection.execute(
        "SELECT external_id, salesforce_id FROM salesforce.push_ledger WHERE tenant_id = $tenant_id"
        " AND org_id = $org_id AND target_object = $object AND salesforce_id IS NOT NULL",
        values,
    )
    return dict(found.fetchall())


def _items(connection: Connection, known: dict[str, str]) -> list[Item]:
    rows = connection.execute(
        "SELECT external_id, payload_hash, payload FROM pushable WHERE action IN ('create', 'update')"
    ).fetchall()
    items = {}
    for external_id, payload_hash, payload in rows:
        body = json.loads(payload)
        required = tuple(body["prerequisites"])
        items[external_id] = Item(external_id, payload_hash, body["learning"], required, known.get(external_id))
    order = in_order(items, {key: item.prerequisites for key, item in items.items()})
    return [items[key] for key in order]


def payload_sql(fields: tuple[LearningField, ...]) -> str:
    """One JSON object per course: the learning as the API names its fields, and the ids of the courses it requires."""
    plain = [_member(field.field, field) for field in fields if field.custom is None]
    custom = [_member(field.custom, field) for field in fields if field.custom is not None]
    nested = f"'learningCourseCustomFields', json_object({', '.join(custom)})"
    learning = ", ".join([*plain, nested])
    prerequisites = "coalesce(to_json(prerequisites), to_json(CAST([] AS VARCHAR[])))"
    return f"CAST(json_object('learning', json_object({learning}), 'prerequisites', {prerequisites}) AS VARCHAR)"


def _member(name: str, field: LearningField) -> str:
    value = field.source
    if field.kind == "constant":
        value = _literal(field.source)
    elif field.kind == "datetime":
        # The form of the samples; docs/facts/salesforce.md section 6 types dates as String.
        value = f"strftime(timezone('UTC', {field.source}), '%Y-%m-%dT%H:%M:%S.00Z')"
    elif field.kind == "checkbox":
        value = f"coalesce({field.source}, false)"
    return f"{_literal(name)}, {value}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
