"""Salesforce people into the warehouse, and which of them each Absorb learner is (docs/salesforce-setup.md).

People are read by their changes: a record that was edited, deactivated or deleted comes along, so that a match is what
it would be after reading everybody anew. What `readback_plan` says of full reads holds here too.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from pathlib import Path

from connector.progress import Progress, Silent
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback.objects import PEOPLE
from connector.salesforce.readback.plan import Checkpoint
from connector.salesforce.readback.read import Reading, read
from connector.salesforce.readback.store import StoreCounts, store
from connector.warehouse.apply import apply_computed
from connector.warehouse.database import Connection
from mappings import Mapping


@dataclass(slots=True)
class People:
    """Spooled readings of the people that matching looks at, by object."""

    readings: list[Reading] = field(default_factory=list)


async def fetch(
    client: SalesforceClient,
    maps: Mapping,
    folder: Path,
    known: MappingType[str, Checkpoint],
    progress: Progress | None = None,
    *,
    full: bool = False,
) -> People:
    """Query the people that the matching rules look at into `folder`: what changed since the checkpoints `known`."""
    people = People()
    for name in dict.fromkeys(rule.salesforce_object for rule in maps.learner_rules):
        spool = read(client, PEOPLE[name], known.get(name), folder, progress or Silent(), full=full)
        people.readings.append(await spool)
    return people


def keep(connection: Connection, people: People, tenant_id: str, run_id: str) -> dict[str, StoreCounts]:
    """Bring salesforce.users and salesforce.contacts up to date with what was fetched, and their checkpoints."""
    return {reading.readable.object: store(connection, reading, tenant_id, run_id) for reading in people.readings}


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
