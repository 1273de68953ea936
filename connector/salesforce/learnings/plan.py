"""Which learnings are to be created or updated: the catalogue against the ledger, prerequisites first."""

import json
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType
from graphlib import TopologicalSorter
from typing import Any

from connector.errors import PreflightError, SettingsError
from connector.push.difference import Item, Source, json_object, value_sql
from connector.push.watch import Watch, WatchedField
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.api import FIRST_VERSION
from connector.salesforce.learnings.changes import KINDS, named
from connector.salesforce.preflight import describe_or_none
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import literal, rows_param, statements
from mappings import LearningField, Mapping

sql = statements(__package__)

TARGET, OBJECT = "learning", "Learning"
QUERY = "push_learnings"
SWITCH = "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH"
_REMEDY = (
    "Enable Education Cloud and deploy mappings/salesforce/education-cloud (docs/learnings-graph.md), or set"
    f" {SWITCH}=false."
)
Edges = MappingType[str, Iterable[str]]  # course id → ids of the courses it requires


async def key_field(client: SalesforceClient, maps: Mapping) -> str:
    """The name of the key field. Raises SettingsError or PreflightError where the org cannot take learnings."""
    if float(client.version) < FIRST_VERSION:
        raise SettingsError(
            f"LEARNSYNC_SALESFORCE__API_VERSION = {client.version}: the Learnings Graph came with {FIRST_VERSION}.0.",
            remedy=f"Use a later version, or set {SWITCH}=false.",
        )
    describe = await describe_or_none(client, "LearningCourse")
    if describe is None:
        problem = "object LearningCourse does not exist, or the run-as user cannot see it"
        raise PreflightError([problem], remedy=_REMEDY)
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


def prepare(connection: Connection, tenant_id: str) -> list[str]:
    """Fill temp tables with the requirements that can be sent; returns what a person should know of the others."""
    connection.execute(sql("catalogue_edges"), {"tenant_id": tenant_id})
    required = cycles(dict(connection.execute(sql("edges_required")).fetchall()))
    connection.execute(sql("catalogue_prerequisites"), {"cyclic": _cyclic(required)})
    recommended = cycles(dict(connection.execute(sql("edges_named")).fetchall()))
    connection.execute(sql("catalogue_recommended"), {"cyclic": _cyclic(recommended)})
    notes = [
        f"{len(group)} course(s) require each other, so the prerequisites among them were left out: {', '.join(group)}"
        for group in required
    ]
    notes += [
        f"{len(group)} course(s) follow each other, so the recommendations among them were left out: {', '.join(group)}"
        for group in recommended
    ]
    for kind in ("prerequisite", "recommended"):
        unknown = count(connection, "SELECT count(*) FROM catalogue_edges WHERE NOT known AND kind = ?", [kind])
        if unknown:
            what = "prerequisite" if kind == "prerequisite" else "recommendation"
            notes.append(f"{unknown} {what}(s) left out: the catalogue does not have the course they name")
    return notes


def _cyclic(groups: list[list[str]]) -> str:
    return rows_param({"course_id": course, "group": at} for at, group in enumerate(groups) for course in group)


def recommended_before(connection: Connection, key: MappingType[str, str]) -> dict[str, list[str]]:
    """Course → the courses that learnsync ever recommended for it, by the ledger."""
    found = connection.execute(sql("recommended_before"), key).fetchall()
    return {course: list(json.loads(content)) for course, content in found}


def cycles(edges: Edges) -> list[list[str]]:
    """Groups of courses that require each other, also through others; a course that requires itself is one.

    Kosaraju's strongly connected components, since graphlib stops at the first cycle. Without recursion: a chain of
    courses may be long.
    """
    required_by: dict[str, list[str]] = {}
    for course, required in edges.items():
        for other in required:
            required_by.setdefault(other, []).append(course)
    seen: set[str] = set()
    finished = [course for root in sorted(edges) for course in _walk(root, edges, seen)]
    seen = set()
    groups = [sorted(_walk(course, required_by, seen)) for course in reversed(finished)]
    return sorted(group for group in groups if len(group) > 1 or (group and group[0] in edges.get(group[0], ())))


def _walk(root: str, edges: Edges, seen: set[str]) -> Iterator[str]:
    """What is reached from `root` and not in `seen`, to which it is added; each after all that it leads to."""
    work = [(root, iter(edges.get(root, ())))] if root not in seen else []
    seen.add(root)
    while work:
        course, others = work[-1]
        following = next((other for other in others if other not in seen), None)
        if following is None:
            work.pop()
            yield course
        else:
            seen.add(following)
            work.append((following, iter(edges.get(following, ()))))


def in_order(ids: Iterable[str], edges: Edges) -> list[str]:
    """The ids, each after those of them that it requires; otherwise by id. The edges must be free of cycles."""
    wanted = set(ids)
    sorter = TopologicalSorter({course: wanted.intersection(edges.get(course, ())) for course in wanted})
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def source(maps: Mapping) -> Source:
    """What learnings are made of."""
    files = f"learnings_fields.csv and sql/{QUERY}.sql"
    return Source(maps.sql(QUERY), payload_sql(maps.learnings), files)


def watch(maps: Mapping) -> Watch:
    """The fields of a learning that a push may not blank in large numbers unasked."""
    valued = [
        field for field in maps.learnings if field.custom is None and field.kind in {"text", "number", "datetime"}
    ]
    return Watch(tuple(WatchedField(field.field, literal(f'$.learning."{field.field}"')) for field in valued))


def sorted_items(items: Iterable[Item]) -> list[Item]:
    """The learnings, each after those of them that it names."""
    known = {item.external_id: item for item in items}
    edges = {key: [course for kind in KINDS for course in named(item, kind)] for key, item in known.items()}
    order = in_order(known, edges)
    return [known[key] for key in order]


def payload_sql(fields: tuple[LearningField, ...]) -> str:
    """The learning as the API names its fields, and the ids of the courses it requires and recommends.

    A course that recommends nothing has no such member: its payload is that of the version before.
    """
    custom = {field.custom: _value(field) for field in fields if field.custom is not None}
    learning = {field.field: _value(field) for field in fields if field.custom is None}
    learning["learningCourseCustomFields"] = json_object(custom)
    prerequisites = "coalesce(to_json(prerequisites), to_json(CAST([] AS VARCHAR[])))"
    members = {"learning": json_object(learning), "prerequisites": prerequisites}
    more = members | {"recommended": "to_json(recommended)"}
    return f"CASE WHEN recommended IS NULL THEN {json_object(members)} ELSE {json_object(more)} END"


def _value(field: LearningField) -> str:
    # The form of the samples; docs/facts/salesforce.md section 6 types dates as String.
    return literal(field.source) if field.kind == "constant" else value_sql(field.source, field.kind, "%S.00Z")
