"""What became of our own records in the org: deleted, or changed by somebody else. Marks them in the ledger."""

from dataclasses import dataclass

from connector.push import difference
from connector.push.values import in_org_sql
from connector.salesforce.readback.objects import Readable
from connector.salesforce.readback.read import Reading
from connector.salesforce.session import Grant
from connector.salesforce.targets import COURSE, ENROLLMENT, json_path, source
from connector.settings import Settings
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import literal, statements
from mappings import FieldMap, Mapping

sql = statements(__package__)

# The ledger keeps our clock and a record the org's: what was written within this of our own push counts as ours, unless
# another user wrote it.
CLOCK_SLACK_SECONDS = 60


@dataclass(slots=True)
class OwnCounts:
    """Records of one object found deleted or changed, and how many of them the next push repairs."""

    deleted: int = 0
    changed: int = 0
    due: int = 0


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """Compares what was read of our records with what the push ledger says was sent to this org."""

    settings: Settings
    maps: Mapping
    grant: Grant

    def mark(self, connection: Connection, reading: Reading) -> OwnCounts:
        """Mark what is missing or changed, so that the next push sends it; in the transaction that stored the rows."""
        readable = reading.readable
        names = {"tenant_id": self.settings.tenant_id, "org_id": self.grant.org_id, "object": readable.object}
        missing = sql("readback_missing", table=f"salesforce.{readable.table}")
        counts = OwnCounts(deleted=count(connection, missing, names | {"full": bool(reading.full)}))
        counts.due = counts.deleted
        if readable.target is COURSE:
            # Now: the next push makes the course anew, and then its ledger entry says missing no more.
            orphans = names | {"object": ENROLLMENT.object, "parent": COURSE.object}
            counts.due += count(connection, sql("readback_orphans"), orphans)
        counts.changed = self._compare(connection, readable, reading.mapped)
        if counts.changed and self.settings.salesforce.overwrite_foreign_changes:
            counts.due += count(connection, sql("readback_changed"), names)
        return counts

    def _compare(self, connection: Connection, readable: Readable, fields: tuple[FieldMap, ...]) -> int:
        """Recompute salesforce.foreign_changes of one object; returns the records in it."""
        assert readable.target is not None
        names = {"tenant_id": self.settings.tenant_id, "object": readable.object}
        connection.execute(sql("foreign_changes_clear"), names)
        who = {"org_id": self.grant.org_id, "user_id": self.grant.user_id or None, "slack": CLOCK_SLACK_SECONDS}
        connection.execute(sql("readback_suspects", table=f"salesforce.{readable.table}"), names | who)
        if not count(connection, "SELECT count(*) FROM suspects"):
            return 0
        key = names | {"org_id": self.grant.org_id}
        connection.execute("CREATE OR REPLACE TEMP TABLE looked_at AS SELECT external_id FROM suspects")
        difference.compute(connection, source(readable.target, fields, self.maps, self.settings), key, whole=False)
        connection.execute(sql("readback_foreign", pairs=",\n    ".join(map(_pair, fields))), names)
        return count(connection, sql("foreign_changes_count"), names)


def sides(field: FieldMap) -> tuple[str, str]:
    """SQL of what `p`, a row of pushable, sends in a field, and of what `s`, a record read, has in it."""
    sent, found = (
        in_org_sql(f"json_extract_string({record}, {json_path(field)})", field.kind)
        for record in ("p.payload", "s.fields")
    )
    return sent, found


def _pair(field: FieldMap) -> str:
    """A struct of the field's name, what was sent and what was found."""
    sent, found = sides(field)
    return f"{{'field': {literal(field.field)}, 'sent': {sent}, 'found': {found}}}"
