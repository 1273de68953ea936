"""`learnsync adopt`: an operator says that the warehouse is of the portal and org that the settings name.

And the look at the org before a sync: its portal is asked first, and must not be read for nothing.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from connector.absorb.client import AbsorbClient
from connector.absorb.identity import portal_identity
from connector.absorb.pull.pull import account_lock, pull_lock
from connector.errors import ApiError, IdentityError, LearnsyncError, LimitError, SettingsError, UnreachableError
from connector.push.engine import push_lock
from connector.salesforce.client import SalesforceClient
from connector.settings import Settings
from connector.warehouse.database import Warehouse, is_there
from connector.warehouse.identity import SYSTEMS, Adopted, Identity, adopt_identity, known, refuse_other

log = logging.getLogger(__name__)


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


def refuse_other_org(settings: Settings) -> None:
    """Raise IdentityError where the settings name another org than the one that was pushed to.

    An org that does not answer is left to the stage that needs it.
    """
    if not settings.salesforce.login_url or not is_there(settings):
        return
    with Warehouse.of(settings).connect() as connection:
        portal, org = (known(connection, settings.tenant_id, system) for system in SYSTEMS)
    if org is None:
        return
    try:
        with suppress(ApiError, UnreachableError, LimitError, SettingsError):
            refuse_other(org, asyncio.run(_org(settings)), settings.tenant_id)
    except IdentityError as failure:
        raise _with_portal(settings, portal, failure) from None


def _with_portal(settings: Settings, noted: Identity | None, failure: IdentityError) -> IdentityError:
    """The failure, and where the portal is another one too, what there is to say of that."""
    try:
        with account_lock(settings, "sync"):
            refuse_other(noted, asyncio.run(_portal(settings)), settings.tenant_id)
    except IdentityError as other:
        return IdentityError(f"{other.message} {failure.message}", remedy=f"{other.remedy} {failure.remedy}")
    except LearnsyncError as unknown:
        log.info("the portal was not asked who it is: %s", unknown)
    return failure


async def _found(settings: Settings) -> tuple[Identity, Identity | None]:
    return await _portal(settings), await _org(settings) if settings.salesforce.login_url else None


async def _portal(settings: Settings) -> Identity:
    async with AbsorbClient.of(settings) as portal:
        return await portal_identity(portal)


async def _org(settings: Settings) -> Identity:
    async with SalesforceClient.of(settings) as org:
        return (await org.grant()).identity
