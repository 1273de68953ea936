"""ops.holds: pushes that wait for somebody to look, because they would change too much of what the org has."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connector.errors import SettingsError
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

sql = statements(__package__)

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, as ULIDs are written


@dataclass(frozen=True, slots=True)
class Hold:
    """One held push of one object. `counts` are those of changes.Changes. `id` is empty in a dry run without a hold."""

    id: str
    object: str
    reason: str
    counts: dict[str, Any]
    plan_hash: str
    created_at: datetime
    approved_at: datetime | None = None
    message: str = ""

    def told(self, approved: Sequence[str] = ()) -> "Hold":
        """The hold with its message: what it holds, and how to send it all the same.

        `approved` are ids that were given, and whose plan is not this one.
        """
        approve = f"approve it with `learnsync push --approve {self.id}`"
        how = approve if self.id else "`learnsync push` gives the hold an id to approve it by"
        text = f"{self.object} is held, nothing of it is sent: {self.reason}"
        other = f" The plan of {', '.join(approved)} is not this one any more." if approved else ""
        return replace(self, message=f"{text}{other} Look with `learnsync push --dry-run`; if it is right, {how}.")


def new_id() -> str:
    """A short id that sorts by time: the ten digits of a ULID's time, and six at random."""
    now = int(utc_now().timestamp() * 1000)
    time = "".join(_DIGITS[now >> 5 * place & 31] for place in range(9, -1, -1))
    return time + "".join(secrets.choice(_DIGITS) for _ in range(6))


def open_holds(
    connection: Connection, tenant_id: str, object_name: str | None = None, place: str | None = None
) -> list[Hold]:
    """The holds of a tenant that wait for somebody or are being sent, oldest first."""
    names = {"tenant_id": tenant_id, "object": object_name, "org_id": place}
    rows = connection.execute(sql("hold_open"), names).fetchall()
    return [Hold(id_, name, reason, json.loads(counts), *rest).told() for id_, name, reason, counts, *rest in rows]


def objects_of(connection: Connection, tenant_id: str, ids: Sequence[str]) -> set[str]:
    """The objects that these holds hold. Raises SettingsError for an id that never was."""
    query = "SELECT id, object FROM ops.holds WHERE tenant_id = $tenant_id"
    known = dict(connection.execute(query, {"tenant_id": tenant_id}).fetchall())
    if unknown := [id_ for id_ in ids if id_ not in known]:
        waiting = ", ".join(hold.id for hold in open_holds(connection, tenant_id)) or "none"
        raise SettingsError(f"There is no hold {unknown[0]!r}.", remedy=f"Use the id of one that waits: {waiting}.")
    return {known[id_] for id_ in ids}


class HoldTable:
    """The rows of ops.holds of one object of one org. Each method is part of the caller's transaction."""

    def __init__(self, connection: Connection, key: Mapping[str, Any]) -> None:
        self._connection, self._key = connection, dict(key)

    def waiting(self) -> Hold | None:
        """The one that nobody has approved yet."""
        found = open_holds(self._connection, self._key["tenant_id"], self._key["object"], self._key["org_id"])
        return next((hold for hold in found if hold.approved_at is None), None)

    def named(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are holds of this object."""
        query = "SELECT id FROM ops.holds WHERE object = $object AND list_contains($ids, id) ORDER BY id"
        found = self._connection.execute(query, {"object": self._key["object"], "ids": list(ids)})
        return [id_ for (id_,) in found.fetchall()]

    def put(self, hold: Hold) -> None:
        """Hold the plan in the temp table hold_plan; one that waited until now is resolved."""
        self.resolve(approved=False)
        values = {"id": hold.id, "reason": hold.reason, "counts": json.dumps(hold.counts), "plan_hash": hold.plan_hash}
        self._connection.execute(sql("hold_put"), {**self._key, **values, "now": hold.created_at})
        copied = "INSERT INTO ops.hold_records SELECT $id, external_id, payload_hash FROM hold_plan"
        self._connection.execute(copied, {"id": hold.id})

    def approve(self, hold: Hold) -> None:
        """Let the plan of this hold be sent; what a failure leaves of it is not held again."""
        done = "UPDATE ops.holds SET approved_at = $now WHERE id = $id"
        self._connection.execute(done, {"id": hold.id, "now": utc_now()})

    def resolve(self, *, approved: bool) -> None:
        """End the holds that wait, or those that were approved and are sent by now."""
        self._connection.execute(sql("hold_resolve"), {**self._key, "approved": approved, "now": utc_now()})
        self._connection.execute(sql("hold_forget"))
