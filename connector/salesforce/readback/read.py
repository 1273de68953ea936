"""One object of the org into spool files: all of it, or what changed since its checkpoint.

An increment asks three things. getUpdated says up to when the answer is whole (`latestDateCovered`: a transaction that
is still open holds it back), getDeleted names what has left even the recycle bin, and one queryAll by SystemModstamp
brings the changed records themselves, deleted ones included. Facts: docs/facts/salesforce.md section 5.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connector import files
from connector.errors import BadRequestError, ProtocolError
from connector.progress import Progress
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback.objects import Readable
from connector.times import parse_instant, to_salesforce
from mappings import FieldMap

log = logging.getLogger(__name__)

# getUpdated answers for the last 30 days, getDeleted for the last 15 (docs/facts/salesforce.md section 5). A record
# that left the recycle bin before we looked is named by neither, so the shorter window holds for what can be deleted.
UPDATED_WINDOW, DELETED_WINDOW = timedelta(days=30), timedelta(days=15)
# A row is stamped when it is written and visible when its transaction ends, up to ten minutes later.
OVERLAP = timedelta(minutes=15)
# Increments do not show rows that the run-as user may not see any more; a full read this often does.
FULL_EVERY = timedelta(days=30)

# Codes of the org for a window that it cannot answer, and why: then everything is read.
_NO_INCREMENT = {
    "INVALID_REPLICATION_DATE": "the org no longer knows the changes since the last read",
    "EXCEEDED_ID_LIMIT": "more changes than one answer names",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an object has been read (salesforce.checkpoints); instants are by the org's clock."""

    object: str
    org_id: str
    covered_until: datetime
    full_at: datetime
    fields: str

    @property
    def since(self) -> datetime:
        """Where the next increment begins."""
        return self.covered_until - OVERLAP


def reason_for_full(
    known: Checkpoint | None, *, org_id: str, fields: str, now: datetime, deletable: bool, asked: bool
) -> str:
    """Why a full read is needed; empty when the changes since the checkpoint are enough."""
    if known is None:
        return "first read"
    window = DELETED_WINDOW if deletable else UPDATED_WINDOW
    reasons = {
        "asked for": asked,
        "another org": known.org_id != org_id,
        "other fields": known.fields != fields,
        f"last read more than {window.days} days ago": now - known.since >= window,
        f"last full read {FULL_EVERY.days} days ago": now - known.full_at >= FULL_EVERY,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


@dataclass(slots=True)
class Reading:
    """What was read of one object, not yet stored. `full` holds the reason of a full read, empty for an increment.

    `select` lists what was asked for, `mapped` the fields of the target's field map among them. `changed` is how many
    records the org's log names, `keys` the spool file of what contacts were asked for by.
    """

    readable: Readable
    org_id: str
    select: str
    mapped: tuple[FieldMap, ...]
    full: str
    at: datetime
    covered_until: datetime
    files: list[Path] = field(default_factory=list)
    gone: dict[str, str | None] = field(default_factory=dict)
    rows: int = 0
    changed: int = 0
    keys: Path | None = None


# Gives the conditions by which an object is asked for, beside its changes; may turn an increment into a full read.
Conditions = Callable[[Reading], Awaitable[list[str]]]


@dataclass(slots=True)
class Reader:
    """Spools objects of the org below `folder`: their changes since the checkpoints in `known`, or all with `full`."""

    client: SalesforceClient
    known: MappingType[str, Checkpoint]
    folder: Path
    progress: Progress
    full: bool = False

    async def read(
        self,
        readable: Readable,
        *,
        fields: tuple[FieldMap, ...] = (),
        select: tuple[str, ...] = (),
        conditions: Conditions | None = None,
    ) -> Reading:
        """Spool one object. `select` replaces the columns to ask for, where the org lacks some."""
        reading = await self._begin(readable, fields, select or readable.select(fields))
        wanted = await conditions(reading) if conditions else [readable.where] if reading.full else []
        if reading.full:
            log.info("%s is read in full: %s", readable.object, reading.full)
        else:
            wanted = [f"SystemModstamp >= {to_salesforce(self.known[readable.object].since)}", *wanted]
        files.make_folder(self.folder)
        _spool(reading, (), self.folder)  # nothing may be asked for
        for condition in wanted:
            async for records in self.client.query(_soql(reading, condition), deleted=readable.deletable):
                _spool(reading, (readable.row(record, fields) for record in records), self.folder)
                self.progress.advance(len(records))
        return reading

    async def _begin(self, readable: Readable, fields: tuple[FieldMap, ...], select: tuple[str, ...]) -> Reading:
        """Whether all of it is to be read, and what the org's logs say of its changes."""
        client, known = self.client, self.known.get(readable.object)
        org_id, now = (await client.grant()).org_id, client.clock
        listed = ", ".join(select)
        reason = reason_for_full(
            known, org_id=org_id, fields=listed, now=now, deletable=readable.deletable, asked=self.full
        )
        reading = Reading(readable, org_id, listed, fields, reason, now, now)
        if known is not None and not reason and readable.logged:
            reading.full = await _read_logs(client, reading, known)
        return reading


def _soql(reading: Reading, condition: str) -> str:
    return f"SELECT {reading.select} FROM {reading.readable.object}" + (f" WHERE {condition}" if condition else "")


async def _read_logs(client: SalesforceClient, reading: Reading, known: Checkpoint) -> str:
    """Note deletions and how far the increment reaches, by the org's logs.

    Returns why a full read is needed after all: the increment would not be whole.
    """
    name, at = reading.readable.object, reading.at
    try:
        updated = await client.replication(name, "updated", known.since, at)
        deleted = await client.replication(name, "deleted", known.since, at)
    except BadRequestError as refusal:
        if refusal.code not in _NO_INCREMENT:
            raise
        return _NO_INCREMENT[refusal.code]
    # Deletions before this instant are no longer in the org's log.
    if (_instant(name, deleted, "earliestDateAvailable") or known.since) > known.since:
        return "the org's log of deletions begins later than the last read"
    reading.changed = len(updated.get("ids") or [])
    reading.gone = {str(entry["id"]): entry.get("deletedDate") for entry in deleted.get("deletedRecords") or []}
    # Without a value no transaction is open. A checkpoint never goes back: what it covered has been read.
    covered = [_instant(name, answer, "latestDateCovered") or at for answer in (updated, deleted)]
    reading.covered_until = max(known.covered_until, min(at, *covered))
    return ""


def _instant(name: str, answer: dict[str, Any], member: str) -> datetime | None:
    value = answer.get(member)
    try:
        return parse_instant(str(value)) if value else None
    except ValueError:
        raise ProtocolError(
            f"The org's answer about changes of {name} has a {member} that is not an instant: {str(value)[:40]!r}.",
            remedy="Run `learnsync readback --full`.",
        ) from None


def _spool(reading: Reading, rows: Iterable[dict[str, Any]], folder: Path) -> None:
    path = folder / f"{reading.readable.object}-{len(reading.files):06d}.ndjson"
    lines = [json.dumps(row) + "\n" for row in rows]
    files.write(path, "".join(lines))
    reading.files.append(path)
    reading.rows += len(lines)
