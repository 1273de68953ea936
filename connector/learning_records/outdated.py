"""Records that changed after they were created: the API cannot update or delete, so they are listed with the reason.

The ledger keeps what each record said when it was created. What differs since is a change if a reader of the record
would call it one (`COMPARED`). The linked ids are not compared: details fill them in when they are read, and the
result is the same (docs/learning-records.md).
"""

import json

from connector.learning_records.client import LearningRecordsApi
from connector.learning_records.models import COMPARED, kind, said
from connector.push.difference import Item
from connector.push.ledger import Ledger
from connector.push.reports import TargetReport
from connector.push.values import in_api_sql
from connector.warehouse.database import Connection
from connector.warehouse.statements import literal, rows_param, statements

sql = statements(__package__)

# Up to so many records are asked for one by one; above, the whole list is read: it costs a call per 100 records.
ASKED_ONE_BY_ONE = 50


def kept(item: Item) -> str:
    """What the ledger keeps of a record that is created: its payload."""
    return json.dumps(item.payload, sort_keys=True)


def note(connection: Connection, report: TargetReport) -> None:
    """Say in a report what is outdated and by what; samples get old and new by field."""
    report.blocked.pop("outdated", None)
    counted = "SELECT reason, count(*) FROM outdated WHERE NOT settled GROUP BY ALL ORDER BY ALL"
    report.outdated = dict(connection.execute(counted).fetchall())
    for sample in report.samples:
        if sample["action"] == "outdated":
            one = "SELECT told, changes FROM outdated WHERE external_id = ?"
            found = connection.execute(one, [sample["external_id"]]).fetchone()
            sample["reason"], sample["changes"] = found or ("", [])


def find(connection: Connection, ledger: Ledger) -> None:
    """Compare what `pushable` calls outdated with what was created: differences into the temp table `outdated`.

    What differs in nothing that counts, or was settled, becomes unchanged in `pushable`.
    """
    connection.execute(sql("records_outdated", pairs=",\n        ".join(map(_pair, COMPARED))), ledger.key)
    connection.execute(sql("records_current"))


def mark(connection: Connection, ledger: Ledger) -> None:
    """Enter what is outdated in the ledger, with the reason."""
    connection.execute(sql("records_mark"), ledger.key)


def unread(connection: Connection, ledger: Ledger) -> dict[str, str]:
    """External id → id of the records of which the ledger does not say what they say."""
    return dict(connection.execute(sql("records_unread"), ledger.key).fetchall())


def unread_after(connection: Connection, ledger: Ledger) -> dict[str, str]:
    """The same, after those were entered whose payload, in `pushable`, is the one that was sent."""
    connection.execute(sql("records_content"), ledger.key)
    return unread(connection, ledger)


async def learn(client: LearningRecordsApi, ledger: Ledger, wanted: dict[str, str]) -> None:
    """Ask the API what these records say (external id → id), and keep it. One that it does not show is kept as {}."""
    there = await _ask(client, set(wanted.values()))
    rows = [{"external_id": key, "content": there.get(remote, "{}")} for key, remote in wanted.items()]
    with ledger.warehouse.transaction() as connection:
        connection.execute(sql("records_learned"), {**ledger.key, "rows": rows_param(rows)})


async def _ask(client: LearningRecordsApi, wanted: set[str]) -> dict[str, str]:
    if len(wanted) <= ASKED_ONE_BY_ONE:
        found = [await client.get(remote) for remote in sorted(wanted)]
        records = [record for record in found if record and not record.is_deleted]
    else:
        records = [record async for record in client.list() if record.id in wanted]
    return {record.id: json.dumps(said(record)) for record in records}


def _pair(name: str) -> str:
    """A struct of the field's name, what was created and what the warehouse says now."""
    old, new = (
        in_api_sql(f"json_extract_string({side}, {literal('$.' + name)})", kind(name))
        for side in ("l.content", "d.payload")
    )
    return f"{{'field': {literal(name)}, 'old': {old}, 'new': {new}}}"
