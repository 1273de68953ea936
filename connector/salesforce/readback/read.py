"""One object of the org into spool files: all of it, or what changed since its checkpoint.

An increment asks three things. getUpdated says up to when the answer is whole (`latestDateCovered`: a transaction that
is still open holds it back), getDeleted names what has left even the recycle bin, and one queryAll by SystemModstamp
brings the changed records themselves, deleted ones included. Facts: docs/facts/salesforce.md section 5.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.errors import BadRequestError, ProtocolError
from connector.progress import Progress
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback.objects import Readable
from connector.salesforce.readback.plan import Checkpoint, reason_for_full
from connector.times import parse_instant, to_salesforce
from mappings import FieldMap

log = logging.getLogger(__name__)

# Codes of the org for a window that it cannot answer, and why: then everything is read.
_NO_INCREMENT = {
    "INVALID_REPLICATION_DATE": "the org no longer knows the changes since the last read",
    "EXCEEDED_ID_LIMIT": "more changes than one answer names",
}


class _FullReadNeeded(Exception):  # noqa: N818 - steers `read`, and never leaves it
    """The changes alone cannot be read; the text says why."""


@dataclass(slots=True)
class Reading:
    """What was read of one object, not yet stored. `full` holds the reason of a full read, empty for an increment."""

    readable: Readable
    org_id: str
    fields: str
    full: str
    at: datetime
    covered_until: datetime
    files: list[Path] = field(default_factory=list)
    gone: dict[str, str | None] = field(default_factory=dict)
    rows: int = 0


async def read(
    client: SalesforceClient,
    readable: Readable,
    known: Checkpoint | None,
    folder: Path,
    progress: Progress,
    *,
    fields: tuple[FieldMap, ...] = (),
    select: tuple[str, ...] = (),
    full: bool = False,
) -> Reading:
    """Spool one object below `folder`. `select` replaces the columns to ask for, where the org lacks some."""
    grant = await client.grant()
    chosen = select or readable.select(fields)
    listed, now = ", ".join(chosen), client.clock
    reason = reason_for_full(
        known, org_id=grant.org_id, fields=listed, now=now, deletable=readable.deletable, asked=full
    )
    reading = Reading(readable, grant.org_id, listed, reason, now, now)
    if known is not None and not reason:
        await _limit(client, reading, known)
    folder.mkdir(parents=True, exist_ok=True)
    async for records in client.query(_soql(reading, known), deleted=readable.deletable):
        _spool(reading, (readable.row(record, fields) for record in records), folder)
        progress.advance(len(records))
    return reading


def _soql(reading: Reading, known: Checkpoint | None) -> str:
    where = reading.readable.where
    if known is not None and not reading.full:
        where = f"SystemModstamp >= {to_salesforce(known.since)}"
    return f"SELECT {reading.fields} FROM {reading.readable.object}" + (f" WHERE {where}" if where else "")


async def _limit(client: SalesforceClient, reading: Reading, known: Checkpoint) -> None:
    """Make it an increment, whose deletions and reach the org's logs tell; or a full read where they cannot."""
    try:
        await _read_logs(client, reading, known)
    except _FullReadNeeded as why:
        log.info("%s is read in full: %s", reading.readable.object, why)
        reading.full, reading.covered_until = str(why), reading.at
        reading.gone.clear()


async def _read_logs(client: SalesforceClient, reading: Reading, known: Checkpoint) -> None:
    """Note deletions and how far the increment reaches. Raises _FullReadNeeded where it would not be whole."""
    name, at = reading.readable.object, reading.at
    if not reading.readable.logged:
        return
    updated = await _log(client, name, "updated", known, at)
    deleted = await _log(client, name, "deleted", known, at)
    # Deletions before this instant are no longer in the org's log.
    if (_instant(name, deleted, "earliestDateAvailable") or known.since) > known.since:
        raise _FullReadNeeded("the org's log of deletions begins later than the last read")
    reading.gone = {str(entry["id"]): entry.get("deletedDate") for entry in deleted.get("deletedRecords") or []}
    # Without a value no transaction is open. A checkpoint never goes back: what it covered has been read.
    covered = [_instant(name, answer, "latestDateCovered") or at for answer in (updated, deleted)]
    reading.covered_until = max(known.covered_until, min(at, *covered))


async def _log(client: SalesforceClient, name: str, resource: str, known: Checkpoint, end: datetime) -> dict[str, Any]:
    try:
        return await client.replication(name, resource, known.since, end)
    except BadRequestError as refusal:
        if refusal.code not in _NO_INCREMENT:
            raise
        raise _FullReadNeeded(_NO_INCREMENT[refusal.code]) from None


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
    path.write_text("".join(lines), "utf-8")
    reading.files.append(path)
    reading.rows += len(lines)
