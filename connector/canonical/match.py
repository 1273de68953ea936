"""Which LearningItem each course is: the crosswalk of mappings/learning_items.csv over what was read back."""

from __future__ import annotations

from connector.warehouse.apply import apply_computed
from connector.warehouse.database import Connection
from mappings import Mapping


def match_items(connection: Connection, maps: Mapping, tenant_id: str) -> dict[str, int]:
    """Recompute salesforce.item_matches; returns courses per outcome, nothing where the org has no LearningItem."""
    connection.execute(maps.sql("match_items"), {"tenant_id": tenant_id})
    apply_computed(connection, "salesforce.item_matches", "course_id", tenant_id)
    counted = connection.execute(
        "SELECT outcome, count(*) FROM salesforce.item_matches WHERE tenant_id = $tenant_id"
        " AND EXISTS (SELECT 1 FROM salesforce.learning_items WHERE tenant_id = $tenant_id AND _removed_at IS NULL)"
        " GROUP BY ALL ORDER BY ALL",
        {"tenant_id": tenant_id},
    )
    return dict(counted.fetchall())
