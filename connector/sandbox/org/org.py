"""The sandbox org: state and rules of a Salesforce org, without the HTTP in front of it.

Follows docs/facts/salesforce.md. Every public method takes the lock, so several server threads may share one org;
`table`, `row`, `load`, `stamp` and `write_row` are for callers that hold it.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.instants import org_text, utc_now
from connector.sandbox.org.access import JwtApp, Sessions
from connector.sandbox.org.bulk.jobs import BulkJobs
from connector.sandbox.org.errors import as_entry, no_such_key, not_found, refused
from connector.sandbox.org.faults import RecordFaults
from connector.sandbox.org.query.cursors import Cursors, Page
from connector.sandbox.org.query.run import run
from connector.sandbox.org.rest.replication import Replication
from connector.sandbox.org.rows.table import Row, Table
from connector.sandbox.org.rows.upsert import Plan, check_writable, plan_change, plan_insert, plan_update, plan_upsert
from connector.sandbox.org.rows.values import evaluate
from connector.sandbox.org.schema.metadata import load_objects
from connector.sandbox.org.schema.model import FieldSchema, ObjectSchema

Record = Mapping[str, Any]
Records = Sequence[Record]
Results = list[dict[str, Any]]


class Tally:
    """Records created, updated, unchanged, failed and deleted per object, and the collection calls."""

    def __init__(self) -> None:
        self.collection_calls = 0
        self._objects: dict[str, Counter[str]] = {}

    def add(self, object_name: str, what: str, count: int = 1) -> None:
        """Counts records of one object."""
        self._objects.setdefault(object_name, Counter())[what] += count

    def as_dict(self) -> dict[str, Any]:
        """The counts as they stand."""
        counts = {name: dict(counter) for name, counter in self._objects.items()}
        return {"objects": counts, "collection_calls": self.collection_calls}


class Org:
    """One org: objects, records, sessions and call allowance."""

    client_id = "3MVG9sandbox.learnsync"
    client_secret = "sandbox-secret"  # noqa: S105 - given to every user of the sandbox

    def __init__(self, *, now: Callable[[], datetime] | None = None) -> None:
        self.now = now or utc_now
        self.lock = threading.RLock()
        self.sessions = Sessions()
        self.jwt = JwtApp(self.client_id)
        self.calls: Counter[str] = Counter()
        self.tally = Tally()
        self.faults = RecordFaults()
        self._tables = {schema.name.lower(): Table(schema) for schema in load_objects()}
        self._cursors = Cursors()
        self.user_id = ""
        self.user_id = self._integration_user()
        self.bulk = BulkJobs(self.now)
        self.replication = Replication(self.now)

    def _integration_user(self) -> str:
        row = {"Username": "learnsync@org.example", "Email": "learnsync@org.example", "IsActive": True}
        name = {"FirstName": "LearnSync", "LastName": "Integration", "Name": "LearnSync Integration"}
        made = self.load("User", row | name)
        made["CreatedById"] = made["LastModifiedById"] = made["Id"]
        return str(made["Id"])

    # Schema

    def schemas(self) -> list[ObjectSchema]:
        """Every object of the org."""
        with self.lock:
            return [table.schema for table in self._tables.values()]

    def schema(self, name: str) -> ObjectSchema:
        """One object by name in any letter case; 404 where the org has none."""
        return self.table(name).schema

    def external_id(self, schema: ObjectSchema, name: str) -> FieldSchema:
        """The external id field that a URL names; 404 where it is none."""
        field = schema.field(name)
        if field is None or not (field.external_id or field.name == "Id"):
            raise no_such_key(name)
        return field

    # Writing

    def upsert(
        self, object_name: str, external_id_field: str, records: Records, all_or_none: bool = False, *, by: str = ""
    ) -> Results:
        """Creates or updates by external id; one UpsertResult per record, in the same order (section 3b)."""
        key = self.external_id(self.schema(object_name), external_id_field)
        seen: set[str] = set()

        def plan(table: Table, record: Record) -> Plan:
            check_writable(table, create=True)
            _refuse_twin(key, record, seen)
            return plan_upsert(self._tables, table, key, record)

        return self._write(object_name, records, plan, all_or_none, by)

    def insert(self, object_name: str, records: Records, all_or_none: bool = False, *, by: str = "") -> Results:
        """Creates records; one SaveResult per record, in the same order."""
        return self._write(object_name, records, partial(plan_insert, self._tables), all_or_none, by)

    def update(self, object_name: str, record_id: str, values: Record, *, by: str = "") -> dict[str, Any]:
        """Updates one record by id; 404 where there is none."""
        with self.lock:
            row = self.row(self.table(object_name), record_id)
            return self._write(object_name, [values], partial(plan_change, self._tables, row), False, by)[0]

    def update_many(self, object_name: str, records: Records, all_or_none: bool = False, *, by: str = "") -> Results:
        """Updates records by the `id` that each carries; one SaveResult per record, in the same order."""
        return self._write(object_name, records, partial(plan_update, self._tables), all_or_none, by)

    def delete(self, object_name: str, ids: Iterable[str], *, by: str = "") -> int:
        """Deletes records into the recycle bin, as an administrator would; the number deleted.

        Lookups at them become null, as the shipped fields ask for (deleteConstraint SetNull). Whether that moves a
        child's SystemModstamp is not documented; here it does not, which is harder to notice.
        """
        with self.lock:
            table = self.table(object_name)
            removed = [each for each in ids if table.delete(each, by=by or self.user_id, at=self.stamp())]
            self._clear_lookups(table, set(removed))
            self.tally.add(table.schema.name, "deleted", len(removed))
            return len(removed)

    def _clear_lookups(self, parent: Table, gone: set[str]) -> None:
        if not gone:
            return
        for table in self._tables.values():
            fields = table.schema.fields.values()
            links = [f.name for f in fields if f.reference_to == parent.schema.name and f.nillable]
            for row in table.rows.values() if links else ():
                row |= {name: None for name in links if row.get(name) in gone}

    def _write(
        self, object_name: str, records: Records, plan: Callable[[Table, Record], Plan], all_or_none: bool, by: str
    ) -> Results:
        """Judges every record; writes each one at once, or all together at the end when all must be good."""
        with self.lock:
            table = self.table(object_name)
            results: Results = []
            held: list[tuple[int, Plan]] = []
            for at, record in enumerate(records):
                try:
                    self.faults.check(record)
                    step = plan(table, record)
                except Refusal as refusal:
                    results.append(_failure(refusal))
                    continue
                if all_or_none:
                    held.append((at, step))
                results.append({} if all_or_none else self._apply(table, step, by))
            failed = len(held) < len(records)
            for at, step in held:
                results[at] = _failure(_rolled_back()) if failed else self._apply(table, step, by)
            self.tally.add(table.schema.name, "failed", sum(not result["success"] for result in results))
            return results

    def _apply(self, table: Table, plan: Plan, by: str) -> dict[str, Any]:
        row = self.write_row(table.schema.name, plan.target, plan.values, by)
        return {"id": row["Id"], "success": True, "created": plan.target is None, "errors": []}

    def write_row(self, name: str, row: Row | None, values: Row, by: str = "") -> Row:
        """Creates a record (``row`` is None) or writes into one, without any check, and counts it."""
        table, at, by = self.table(name), self.stamp(), by or self.user_id
        if row is None:
            self.tally.add(table.schema.name, "created")
            return table.insert(values, by=by, at=at)
        changed = table.update(row, values, by=by, at=at)
        self.tally.add(table.schema.name, "updated" if changed else "unchanged")
        return row

    def load(self, object_name: str, values: Row) -> Row:
        """Creates a record without any check or count."""
        return self.table(object_name).insert(values, by=self.user_id, at=self.stamp())

    # Reading

    def table(self, name: str) -> Table:
        """The records of one object, by name in any letter case; 404 where the org has none."""
        table = self._tables.get(name.lower())
        if table is None:
            raise not_found()
        return table

    def row(self, table: Table, record_id: str) -> Row:
        """One record as stored; 404 where there is none."""
        row = table.rows.get(record_id)
        if row is None:
            if record_id in table.recycled:
                raise Refusal(404, "ENTITY_IS_DELETED", "entity is deleted")
            raise no_such_key()
        return row

    def record(self, object_name: str, record_id: str) -> Row:
        """One record with all its fields; 404 where there is none."""
        with self.lock:
            table = self.table(object_name)
            return self._view(table, self.row(table, record_id))

    def records(self, object_name: str) -> list[Row]:
        """Every record, with all its fields and formulas evaluated."""
        with self.lock:
            table = self.table(object_name)
            return [self._view(table, row) for row in table.rows.values()]

    def _view(self, table: Table, row: Row) -> Row:
        out = {field.name: row.get(field.name) for field in table.schema.fields.values()}
        now = self.now()
        for name in table.schema.formulas:
            out[name] = evaluate(table.schema.fields[name.lower()].formula or "", row, now)
        return out

    def query(self, soql: str, *, version: str = "67.0", batch: int = 2000, include_deleted: bool = False) -> Page:
        """Runs a query; more than one batch leaves a cursor behind."""
        with self.lock:
            result = run(self._tables, soql, self.now(), include_deleted=include_deleted)
            return self._cursors.first(result, version, batch)

    def query_more(self, locator: str, *, version: str = "67.0", batch: int = 2000) -> Page:
        """The next batch of an earlier query."""
        with self.lock:
            return self._cursors.more(locator, version, batch)

    def stamp(self) -> str:
        """Now, as the org keeps it."""
        return org_text(self.now())


def _refuse_twin(key: FieldSchema, record: Record, seen: set[str]) -> None:
    """One call may name an external id once; the first record of a pair is served, the second refused."""
    value = record.get(key.name)
    if not isinstance(value, str):
        return
    if value.strip().lower() in seen:
        raise refused("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", key.name)
    seen.add(value.strip().lower())


def _failure(refusal: Refusal) -> dict[str, Any]:
    return {"success": False, "created": False, "errors": [as_entry(refusal)]}


def _rolled_back() -> Refusal:
    return refused(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
