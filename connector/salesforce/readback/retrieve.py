"""One record of LearningItemProgress by its id, as the org has it now: `retrieve`, beside what learnsync says of it.

Facts: docs/facts/salesforce.md section 0 (the object's calls) and section 5.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from connector.errors import IncompleteError, NotFoundError, SettingsError
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback.objects import PROGRESS
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse, committed
from connector.warehouse.identity import require_same
from connector.warehouse.statements import statements

sql = statements(__package__)

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A native record as the org has it, our row for the same learner and course, and the rows of salesforce.drift.

    `ours` is None where the record's owner or learning item matches no current enrollment.
    """

    record: dict[str, Any]
    ours: dict[str, Any] | None = None
    drift: list[dict[str, Any]] = field(default_factory=list)


def retrieve(settings: Settings, record_id: str) -> Retrieved:
    """Read one record and compare it; the warehouse stays as it is.

    Raises SettingsError for what is no id, IncompleteError where the org has no such record or object, IdentityError
    where it is not the org of the warehouse.
    """
    wanted = record_id.strip()
    if not _ID.fullmatch(wanted):
        raise SettingsError(
            f"{record_id!r} is not the id of a Salesforce record.", remedy="It has 15 or 18 characters."
        )
    warehouse = Warehouse.existing(settings)
    record = asyncio.run(_read(settings, wanted, warehouse))
    names = {"tenant_id": settings.tenant_id, "id": record["Id"]}
    with warehouse.connect() as connection, committed(connection, keep=False):
        # In its place, as read now, it is compared by the rules of salesforce.drift; then everything is rolled back.
        put = {"tenant_id": settings.tenant_id, "record": json.dumps(record | {"SystemModstamp": str(utc_now())})}
        connection.execute(sql("retrieved_drop"), names)
        connection.execute(sql("retrieved_put"), put)
        ours = _rows(connection, "retrieved_ours", names)
        drift = _rows(connection, "retrieved_drift", names)
    return Retrieved(record, ours[0] if ours else None, drift)


async def _read(settings: Settings, record_id: str, warehouse: Warehouse) -> dict[str, Any]:
    """The record's columns of `salesforce.learning_item_progress`, null where the org does not serve one."""
    async with SalesforceClient.of(settings) as client:
        require_same(warehouse, (await client.grant()).identity, settings.tenant_id)
        describe = await preflight.describe_or_none(client, PROGRESS.object)
        if describe is None:
            raise IncompleteError(
                f"{PROGRESS.object} is not in this org, or the run-as user may not see it.",
                remedy="It comes with the Enablement add-on (docs/readback.md).",
            )
        visible = {str(entry["name"]) for entry in describe["fields"]}
        try:
            found = await client.retrieve(PROGRESS.object, record_id, [it for it in PROGRESS.columns if it in visible])
        except NotFoundError:
            raise IncompleteError(
                f"The org has no {PROGRESS.object} {record_id}, or the run-as user may not see it.",
                remedy="`learnsync readback` reads which records there are.",
            ) from None
    return PROGRESS.row(found)


def _rows(connection: Connection, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    found = connection.execute(sql(name), values)
    columns = [column[0] for column in found.description or []]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
