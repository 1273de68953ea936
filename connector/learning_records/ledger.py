"""ops.learning_record_ledger: what is due, what is about to be sent, what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from connector.errors import MappingError
from connector.learning_records.content import canonical, fingerprint
from connector.learning_records.models import NewLearningRecord
from connector.push import difference
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import rows_param, statements
from mappings import Mapping

sql = statements(__package__)

QUERY = "push_learning_records"


@dataclass(frozen=True, slots=True)
class Item:
    """A record that is to be created."""

    external_id: str
    payload_hash: str
    payload: dict[str, Any]

    @property
    def person(self) -> str | None:
        """Whose record it is, as the API's filter wants it."""
        value = self.payload.get("person_id")
        return str(value).lower() if value else None

    @property
    def content(self) -> str:
        """Fingerprint of what it says."""
        return fingerprint(canonical(self.payload))


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A record whose create got no certain answer; `content` is what was sent then."""

    external_id: str
    content: str
    person: str | None


@dataclass(slots=True)
class Known:
    """What the ledger knows before a push."""

    empty: bool  # nothing was ever sent to this API from this warehouse
    claimed: set[str]  # ids of the API's records that are accounted for
    unsettled: list[Unsettled]


@dataclass(slots=True)
class Due:
    """What a push has to do: records by action, and a few of each."""

    counts: dict[str, int]
    samples: list[dict[str, Any]]


def payload_sql() -> str:
    """One JSON object per record: the body of a create."""
    return f"CAST(json_object({', '.join(map(_member, NewLearningRecord.model_fields))}) AS VARCHAR)"


def _member(name: str) -> str:
    value = f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%M:%S.%gZ')" if name.endswith("_at") else name
    return f"'{name}', {value}"


class Ledger:
    """The ledger of one tenant and one API. Opens the warehouse for each transaction only."""

    def __init__(self, warehouse: Warehouse, tenant_id: str, destination: str, run_id: str) -> None:
        self._warehouse = warehouse
        self._key = {"tenant_id": tenant_id, "destination": destination}
        self._run_id = run_id

    def due(self, maps: Mapping, spool: Path | None, limit: int | None, samples: int, *, full: bool = False) -> Due:
        """Compare learning_record with the ledger; write what is to be sent to `spool`, or nothing for a dry run.

        `full` makes refused records due again; accepted ones cannot be sent a second time.
        Raises MappingError when sql/push_learning_records.sql lacks a column.
        """
        with self._warehouse.connect() as connection:
            query = sql("records_due", query=maps.sql(QUERY), payload=payload_sql())
            try:
                connection.execute(query, {**self._key, "full": full})
            except (duckdb.BinderException, duckdb.ParserException) as failure:
                raise MappingError(
                    f"sql/{QUERY}.sql cannot be used: {str(failure).splitlines()[0]}",
                    remedy="Correct the query in LEARNSYNC_MAPPING__DIR.",
                ) from None
            counts = dict(connection.execute("SELECT action, count(*) FROM records_due GROUP BY ALL").fetchall())
            if spool is not None:
                # One statement, so one transaction of its own.
                connection.execute(sql("records_outdated"), self._key)
                path = str(spool).replace("'", "''")
                connection.execute(sql("records_spool", path=path, limit="ALL" if limit is None else str(limit)))
            return Due(counts, difference.samples(connection, samples, "records_due", "sort_key"))

    def known(self) -> Known:
        """What earlier pushes left."""
        with self._warehouse.connect() as connection:
            ids = connection.execute(
                "SELECT remote_id FROM ops.learning_record_ledger"
                " WHERE tenant_id = $tenant_id AND destination = $destination",
                self._key,
            ).fetchall()
            unsettled = connection.execute(sql("records_unsettled"), self._key).fetchall()
        claimed = {remote_id for (remote_id,) in ids if remote_id}
        return Known(not ids, claimed, [Unsettled(*row) for row in unsettled])

    def intend(self, items: Sequence[Item]) -> None:
        """Note what is about to be created, before it is."""
        with self._warehouse.transaction() as connection:
            self._intend(connection, items)

    def put(self, outcomes: Sequence[dict[str, Any]]) -> None:
        """Note what became of records: external_id, remote_id, state, error_code, error_text."""
        if outcomes:
            with self._warehouse.transaction() as connection:
                self._put(connection, outcomes)

    def adopt(self, found: Sequence[tuple[Item, dict[str, Any]]]) -> None:
        """Note records that the API was found to have, all of them or none."""
        if found:
            with self._warehouse.transaction() as connection:
                self._intend(connection, [item for item, _ in found])
                self._put(connection, [{"external_id": item.external_id, **outcome} for item, outcome in found])

    def _intend(self, connection: Connection, items: Sequence[Item]) -> None:
        rows = [
            {"external_id": item.external_id, "payload_hash": item.payload_hash, "content": item.content}
            for item in items
        ]
        values = {"rows": rows_param(rows), "run_id": self._run_id, "now": utc_now()}
        connection.execute(sql("records_intend"), self._key | values)

    def _put(self, connection: Connection, outcomes: Sequence[dict[str, Any]]) -> None:
        values = {"outcomes": rows_param(outcomes), "now": utc_now()}
        connection.execute(sql("records_put"), self._key | values)


def read(spool: Path) -> Iterator[Item]:
    """The items of a spool file, in order."""
    with spool.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Item(row["external_id"], row["payload_hash"], json.loads(row["payload"]))
