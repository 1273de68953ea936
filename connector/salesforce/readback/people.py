"""The people of the org that the learner rules look at, read by their changes.

A record that was edited, deactivated or deleted comes along, so that matching gives what it would give after reading
everybody anew. When a full read is needed, plan.py says.
"""

from collections.abc import Mapping as MappingType
from pathlib import Path

from connector.progress import Progress, Silent
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback.objects import PEOPLE
from connector.salesforce.readback.plan import Checkpoint
from connector.salesforce.readback.read import Reading, read
from mappings import Mapping


async def fetch(
    client: SalesforceClient,
    maps: Mapping,
    folder: Path,
    known: MappingType[str, Checkpoint],
    progress: Progress | None = None,
    *,
    full: bool = False,
) -> list[Reading]:
    """Spool User or Contact or both below `folder`, as the rules need: what changed since the checkpoints `known`."""
    names = dict.fromkeys(rule.salesforce_object for rule in maps.learner_rules)
    return [
        await read(client, PEOPLE[name], known.get(name), folder, progress or Silent(), full=full) for name in names
    ]
