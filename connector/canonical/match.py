"""Which Salesforce person each learner is, and which LearningItem each course, from what was read of the org.

The rules are mappings/learner_matching.csv and mappings/learning_items.csv. Nothing else writes the two tables.
"""

from dataclasses import dataclass, field

from connector.warehouse.apply import apply_computed
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import Mapping

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Matches:
    """Learners and courses by outcome (matched, ambiguous, unmatched); no courses where the org has no LearningItem."""

    learners: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)


def match(connection: Connection, maps: Mapping, tenant_id: str) -> Matches:
    """Recompute salesforce.learner_matches and salesforce.item_matches. Call inside a transaction."""
    return Matches(match_learners(connection, maps, tenant_id), match_items(connection, maps, tenant_id))


def match_learners(connection: Connection, maps: Mapping, tenant_id: str) -> dict[str, int]:
    """Recompute salesforce.learner_matches; returns learners per outcome."""
    connection.execute(maps.sql("match_learners"), {"tenant_id": tenant_id})
    apply_computed(connection, "computed", "salesforce.learner_matches", "user_id", tenant_id)
    counted = connection.execute(sql("learners_by_outcome"), {"tenant_id": tenant_id})
    return dict(counted.fetchall())


def match_items(connection: Connection, maps: Mapping, tenant_id: str) -> dict[str, int]:
    """Recompute salesforce.item_matches; returns courses per outcome."""
    connection.execute(maps.sql("match_items"), {"tenant_id": tenant_id})
    apply_computed(connection, "computed", "salesforce.item_matches", "course_id", tenant_id)
    counted = connection.execute(sql("items_by_outcome"), {"tenant_id": tenant_id})
    return dict(counted.fetchall())
