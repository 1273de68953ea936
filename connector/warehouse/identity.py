"""ops.identity: which portal and which org the rows of a tenant are of. Another one is refused until it is adopted.

Watermarks, the push ledger and matches say nothing of another portal or org: with them, a pull would read too little of
the one, and a push would send the records of the one to the other.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from connector.errors import IdentityError
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import statements

log = logging.getLogger(__name__)
sql = statements(__package__)

System = Literal["portal", "org"]
SYSTEMS: tuple[System, ...] = ("portal", "org")
BASE_URL = "base URL"
MOVED = "the org %s was at %s at the login before, and is at %s now: see that this is meant"
# What one must look at when the system is another one, and whose rows there are.
_SETTINGS = {
    "portal": "LEARNSYNC_ABSORB__BASE_URL (or __REGION), __API_KEY and __USERNAME",
    "org": "LEARNSYNC_SALESFORCE__LOGIN_URL",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A portal or org: its id, what kind of id that is, and the URL where it was met.

    `also` holds further ids by which the same system may have been noted before.
    """

    system: System
    id: str
    kind: str
    url: str
    also: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.system} with the {self.kind} {self.id}" + ("" if self.kind == BASE_URL else f" at {self.url}")

    def is_same(self, known: "Identity") -> bool:
        """Whether `known`, which the warehouse noted, is this one.

        A portal is noted by its URL while the account sees no department, and may show its departments later: then the
        URLs are compared. The other way round nothing is known, for the portals of a region share their URL.
        """
        if known.kind == self.kind:
            return known.id in {self.id, *self.also}
        return known.url == self.url and not self.hides_departments_of(known)

    def hides_departments_of(self, known: "Identity") -> bool:
        """Whether `known` is a portal by its root department, and this one shows no department."""
        return self.system == "portal" and self.kind == BASE_URL != known.kind


@dataclass(frozen=True, slots=True)
class Adopted:
    """What `adopt` noted: the identity, and the one that was noted before, if it was another."""

    system: System
    id: str
    kind: str
    url: str
    before: str | None


def known(connection: Connection, tenant_id: str, system: System) -> Identity | None:
    """The portal or org that the rows of a tenant are of, None where none is noted."""
    query = "SELECT system, id, kind, url FROM ops.identity WHERE tenant_id = $tenant_id AND system = $system"
    row = connection.execute(query, {"tenant_id": tenant_id, "system": system}).fetchone()
    return Identity(*row) if row else None


def refuse_other(noted: Identity | None, found: Identity, tenant_id: str) -> None:
    """Raise IdentityError where the system found is another one than the one noted."""
    if noted is None or found.is_same(noted):
        return
    other, hint = "name another", ""
    if found.hides_departments_of(noted):
        other = "show no department, so they may name another"
        hint = "Give the role of the account its view of departments back. "
    raise IdentityError(
        f"The settings {other} {found.system} than the one that the warehouse belongs to (tenant {tenant_id}):"
        f" it holds rows of the {noted}, and the settings name the {found}. Nothing was changed.",
        remedy=f"{hint}Check {_SETTINGS[found.system]}; give another {found.system} a LEARNSYNC_WAREHOUSE__PATH or a"
        " LEARNSYNC_TENANT_ID of its own. If it is the same one under a new id, run `learnsync adopt`"
        " (docs/operators.md).",
    )


def require_same(warehouse: Warehouse, found: Identity, tenant_id: str, *, note_by: str = "") -> None:
    """Let the next connection of `warehouse` check the system first: it raises IdentityError for another one.

    `note_by` is the run that notes it where nothing is noted yet; without, it is only checked.
    """
    warehouse.require(partial(_settle, found=found, tenant_id=tenant_id, note_by=note_by))


def _settle(connection: Connection, *, found: Identity, tenant_id: str, note_by: str) -> None:
    noted = known(connection, tenant_id, found.system)
    refuse_other(noted, found, tenant_id)
    now = _to_note(noted, found)
    if found.system == "org" and noted is not None and noted.url != found.url:
        log.warning(MOVED, found.id, noted.url, found.url)
    if note_by and now != noted:
        put(connection, now, tenant_id, note_by)


def _to_note(noted: Identity | None, found: Identity) -> Identity:
    """Of one system, the id once noted stays; the id of a department takes the place of a URL, never the reverse."""
    if noted is None or not found.is_same(noted):
        return found
    if found.kind == BASE_URL:
        return noted
    return replace(found, id=noted.id if noted.kind == found.kind else found.id, also=frozenset())


def put(connection: Connection, found: Identity, tenant_id: str, run_id: str) -> None:
    """Note whose the rows of the tenant are."""
    named = {"system": found.system, "id": found.id, "kind": found.kind, "url": found.url}
    connection.execute(sql("identity_put"), named | {"tenant_id": tenant_id, "run_id": run_id, "now": utc_now()})


def adopt_identity(connection: Connection, found: Identity, tenant_id: str, run_id: str) -> Adopted:
    """Note the system in place of what was noted; call in a transaction.

    The watermarks of another portal are dropped, so that the next pull reads every list from its beginning.
    """
    noted = known(connection, tenant_id, found.system)
    other = noted if noted is not None and not found.is_same(noted) else None
    now = _to_note(noted, found)
    put(connection, now, tenant_id, run_id)
    if other is not None and found.system == "portal":
        for table in ("ops.watermarks", "ops.resume"):
            connection.execute(f"DELETE FROM {table} WHERE tenant_id = ?", [tenant_id])
    return Adopted(now.system, now.id, now.kind, now.url, other.id if other else None)
