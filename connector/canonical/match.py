"""Which Salesforce person each learner is, and which LearningItem each course, from what was read of the org.

The rules are mappings/learner_matching.csv and mappings/learning_items.csv, before the former the matches by hand of
mappings/learner_crosswalk.csv. Nothing else writes the two tables, but for the lookups of deleted contacts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from connector.canonical.built import fingerprint, note_made_by, stands
from connector.warehouse import changed
from connector.warehouse.apply import apply_computed
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import Mapping

sql = statements(__package__)

MOST_NOTES = 10
# The tables that matching makes, and the statements of the maps that say how.
RULES = {"learner_matches": ("manual_matches", "match_learners"), "item_matches": ("match_items",)}


@dataclass(frozen=True, slots=True)
class Matches:
    """Learners and courses by outcome (matched, ambiguous, …); no courses where the org has no LearningItem.

    `notes` says what somebody should settle in learner_crosswalk.csv.
    """

    learners: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def match(connection: Connection, maps: Mapping, tenant_id: str) -> Matches:
    """Bring salesforce.learner_matches and salesforce.item_matches up to date. Call inside a transaction.

    Where no learner, course, person or item changed, and no rule did, they are as they would be made anew.
    """
    due = changed.due(connection, tenant_id, changed.MATCH)
    rules = {table: _rules(maps, statements) for table, statements in RULES.items()}
    stand = all(stands(connection, tenant_id, table, made_by) for table, made_by in rules.items())
    if due.streams or not stand or not all(maps.is_packaged(name) for names in RULES.values() for name in names):
        match_learners(connection, maps, tenant_id)
        match_items(connection, maps, tenant_id)
        for table, made_by in rules.items():
            note_made_by(connection, tenant_id, table, made_by)
        changed.dealt_with(connection, tenant_id, changed.MATCH, keeps_ids=False)
    else:
        connection.execute(maps.sql("manual_matches"), {"tenant_id": tenant_id})
    learners, items = (_outcomes(connection, table, tenant_id) for table in RULES)
    return Matches(learners, items, _notes(connection, tenant_id))


def _rules(maps: Mapping, names: Sequence[str]) -> str:
    return fingerprint([duckdb.__version__, *map(maps.sql, names)])


def match_learners(connection: Connection, maps: Mapping, tenant_id: str) -> dict[str, int]:
    """Make salesforce.learner_matches anew; returns learners per outcome."""
    connection.execute(maps.sql("manual_matches"), {"tenant_id": tenant_id})
    return _recompute(connection, maps.sql("match_learners"), "learner_matches", "user_id", tenant_id)


def match_items(connection: Connection, maps: Mapping, tenant_id: str) -> dict[str, int]:
    """Make salesforce.item_matches anew; returns courses per outcome."""
    return _recompute(connection, maps.sql("match_items"), "item_matches", "course_id", tenant_id)


def _notes(connection: Connection, tenant_id: str) -> list[str]:
    rows = connection.execute(sql("learner_notes"), {"tenant_id": tenant_id}).fetchall()
    notes = [str(note) for (note,) in rows]
    more = f"… and {len(notes) - MOST_NOTES:,} more: see `reason` in salesforce.learner_matches"
    return notes if len(notes) <= MOST_NOTES else [*notes[:MOST_NOTES], more]


def _recompute(connection: Connection, query: str, table: str, key: str, tenant_id: str) -> dict[str, int]:
    tenant = {"tenant_id": tenant_id}
    connection.execute(query, tenant)
    apply_computed(connection, f"salesforce.{table}", key, tenant_id)
    changed.note(connection, tenant_id, f"salesforce.{table}", f"SELECT {key} AS id FROM changes")
    return _outcomes(connection, table, tenant_id)


def _outcomes(connection: Connection, table: str, tenant_id: str) -> dict[str, int]:
    return dict(connection.execute(sql(f"{table}_by_outcome"), {"tenant_id": tenant_id}).fetchall())
