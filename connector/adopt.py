"""`learnsync adopt`: an operator says that the warehouse is of the portal and org that the settings name."""

import asyncio
from dataclasses import dataclass

from connector.absorb.client import AbsorbClient
from connector.absorb.identity import portal_identity
from connector.absorb.pull.pull import pull_lock
from connector.push.engine import push_lock
from connector.salesforce.client import SalesforceClient
from connector.settings import Settings
from connector.warehouse.database import Warehouse
from connector.warehouse.identity import Adopted, Identity, adopt_identity


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """What the warehouse is of from now on. Without an org in the settings `org` is None, and what was noted stays.

    `next_pull_is_full`: the portal is another one than before, so its watermarks were dropped.
    """

    portal: Adopted
    org: Adopted | None
    next_pull_is_full: bool


def adopt(settings: Settings, run_id: str) -> AdoptReport:
    """Ask both who they are, and note it. Raises LearnsyncError; nothing is noted where one of them does not answer."""
    with pull_lock(settings, run_id), push_lock(settings, run_id):
        portal, org = asyncio.run(_found(settings))
        with Warehouse.of(settings).transaction() as connection:
            adopted = adopt_identity(connection, portal, settings.tenant_id, run_id)
            target = adopt_identity(connection, org, settings.tenant_id, run_id) if org else None
    return AdoptReport(adopted, target, adopted.before is not None)


async def _found(settings: Settings) -> tuple[Identity, Identity | None]:
    async with AbsorbClient.of(settings) as portal:
        found = await portal_identity(portal)
    if not settings.salesforce.login_url:
        return found, None
    async with SalesforceClient.of(settings) as org:
        return found, (await org.grant()).identity
