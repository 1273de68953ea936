"""The sandbox org: state and rules of a Salesforce org, without the HTTP in front of it.

Follows docs/facts/salesforce.md. Every public method takes the lock, so several server threads may share one org.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .org_bulk_jobs import BulkJobs
from .org_education import education_objects
from .org_errors import RecordError, RequestError
from .org_faults import RecordFaults
from .org_formula import evaluate
from .org_jwt import JwtApp
from .org_learning import Learning
from .org_people import People
from .org_query import Cursors, Page, run
from .org_replication import Replication
from .org_schema import FieldSchema, ObjectSchema, load_custom_objects
from .org_sessions import Sessions
from .org_standard import standard_objects
from .org_store import Row, Table
from .org_upsert import Plan, judge, plan_update, plan_upsert, read_values
from .org_values import format_datetime

ROLLED_BACK = RecordError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


class Org:
    """One org: objects, records, sessions and call allowance, with hooks for tests and demos."""

    def __init__(self, *, now: Callable[[], datetime] | None = None) -> None:
        self.client_id = "3MVG9sandbox.learnsync"
        self.client_secret = "sandbox-secret"  # noqa: S105 - given to every user of the sandbox
        self.lock = threading.RLock()
        self.sessions = Sessions()
        self.jwt = JwtApp(self.client_id)
        self.calls: Counter[str] = Counter()
        self.collection_calls = 0
        self._now = now or (lambda: datetime.now(UTC))
        # What HTTP status a Learnings Graph call gets that wrote nothing: the documents do not say.
        self.learnings_refusal_status = 200
        schemas = [*standard_objects(), *education_objects(), *load_custom_objects()]
        self._tables = {schema.name.lower(): Table(schema) for schema in schemas}
        self._cursors = Cursors()
        self._faults = RecordFaults()
        self._writes: dict[str, Counter[str]] = {}
        self.user_id = self._integration_user()
        self.bulk = BulkJobs(self._now)
        self.replication = Replication(self._now)

    # Schema

    def schemas(self) -> list[ObjectSchema]:
        """Every object of the org."""
        with self.lock:
            return [table.schema for table in self._tables.values()]

    def schema(self, name: str) -> ObjectSchema:
        """One object by name in any letter case; 404 where the org has none."""
        return self._table(name).schema

    # Data

    def upsert(
        self,
        object_name: str,
        external_id_field: str,
        records: Sequence[Mapping[str, Any]],
        all_or_none: bool = False,
        *,
        by: str = "",
    ) -> list[dict[str, Any]]:
        """Creates or updates by external id; one UpsertResult per record, in the same order (section 3b)."""
        with self.lock:
            table = self._table(object_name)
            key = self.external_id(table.schema, external_id_field)
            seen: set[str] = set()

            def plan(record: Mapping[str, Any]) -> Plan:
                self._check_writable(table, create=True)
                _refuse_twin(key, record, seen)
                return plan_upsert(self._tables, table, key, record)

            return self._write(table, records, plan, all_or_none, by)

    def insert(
        self, object_name: str, records: Sequence[Mapping[str, Any]], all_or_none: bool = False, *, by: str = ""
    ) -> list[dict[str, Any]]:
        """Creates records."""
        with self.lock:
            table = self._table(object_name)

            def plan(record: Mapping[str, Any]) -> Plan:
                self._check_writable(table, create=True)
                return judge(table, None, read_values(self._tables, table, record))

            return self._write(table, records, plan, all_or_none, by)

    def update(self, object_name: str, record_id: str, values: Mapping[str, Any], *, by: str = "") -> dict[str, Any]:
        """Updates one record by id."""
        with self.lock:
            table = self._table(object_name)
            row = self._row(table, record_id)

            def plan(record: Mapping[str, Any]) -> Plan:
                self._check_writable(table, create=False)
                return judge(table, row, read_values(self._tables, table, record))

            return self._write(table, [values], plan, False, by)[0]

    def update_many(
        self, object_name: str, records: Sequence[Mapping[str, Any]], all_or_none: bool = False, *, by: str = ""
    ) -> list[dict[str, Any]]:
        """Updates records by the `id` that each carries; one SaveResult per record, in the same order."""
        with self.lock:
            table = self._table(object_name)

            def plan(record: Mapping[str, Any]) -> Plan:
                self._check_writable(table, create=False)
                return plan_update(self._tables, table, record)

            return self._write(table, records, plan, all_or_none, by)

    def delete(self, object_name: str, ids: Iterable[str], *, by: str = "") -> int:
        """Deletes records into the recycle bin, as an administrator would; the number deleted.

        Lookups at them become null, as the shipped fields ask for (deleteConstraint SetNull). Whether that moves a
        child's SystemModstamp is not documented; here it does not, which is harder to notice.
        """
        with self.lock:
            table = self._table(object_name)
            removed = [each for each in ids if table.delete(each, by=by or self.user_id, at=self._stamp())]
            self._clear_lookups(table, set(removed))
            gone = len(removed)
            self._count(table)["deleted"] += gone
            return gone

    def record(self, object_name: str, record_id: str) -> Row:
        """One record with all its fields; 404 where there is none."""
        with self.lock:
            table = self._table(object_name)
            return self._view(table, self._row(table, record_id))

    def find(self, object_name: str, field: FieldSchema, value: str) -> list[str]:
        """Ids of the records with this external id."""
        with self.lock:
            return self._table(object_name).find(field.name, value)

    def records(self, object_name: str) -> list[Row]:
        """Every record, with all its fields and formulas evaluated."""
        with self.lock:
            table = self._table(object_name)
            return [self._view(table, row) for row in table.rows.values()]

    def query(self, soql: str, *, version: str = "67.0", batch: int = 2000, include_deleted: bool = False) -> Page:
        """Runs a query; more than one batch leaves a cursor behind."""
        with self.lock:
            result = run(self._tables, soql, self._now(), include_deleted=include_deleted)
            return self._cursors.first(result, version, batch)

    def query_more(self, locator: str, *, version: str = "67.0", batch: int = 2000) -> Page:
        """The next batch of an earlier query."""
        with self.lock:
            return self._cursors.more(locator, version, batch)

    # What the sandbox is filled with

    def populate(
        self,
        users: Iterable[dict[str, Any]],
        profile: str = "mixed",
        courses: Iterable[dict[str, Any]] = (),
        enrollments: Iterable[dict[str, Any]] = (),
    ) -> None:
        """Makes Salesforce Users and Contacts out of Absorb users, and some native learning progress.

        Learning items are named like `courses`; progress on them follows the `enrollments` given.
        """
        people = People(profile)
        people.add_all(users)
        with self.lock:
            made = [self._load("User", row) for row in people.users]
            for row in people.contacts:
                self._load("Contact", row)
            active = {key: row["Id"] for key, row in zip(people.user_keys, made, strict=True) if row["IsActive"]}
            learning = Learning(self._load, self._stamp())
            learning.unrelated(list(active.values())[:25])
            learning.related(list(courses), enrollments, active)

    def _integration_user(self) -> str:
        row = {"Username": "learnsync@org.example", "Email": "learnsync@org.example", "IsActive": True}
        name = {"FirstName": "LearnSync", "LastName": "Integration", "Name": "LearnSync Integration"}
        made = self._load("User", row | name)
        made["CreatedById"] = made["LastModifiedById"] = made["Id"]
        return str(made["Id"])

    def _load(self, object_name: str, values: Row) -> Row:
        by = getattr(self, "user_id", "")
        return self._table(object_name).insert(values, by=by, at=self._stamp())

    # Hooks for tests and demos

    def set_values(self, object_name: str, record_id: str, **values: Any) -> None:
        """Overwrites fields of a record without any check, as if someone with every right had done it."""
        with self.lock:
            table = self._table(object_name)
            table.update(self._row(table, record_id), values, by=self.user_id, at=self._stamp())

    def add(self, object_name: str, **values: Any) -> str:
        """Creates a record without any check; its id."""
        with self.lock:
            return str(self._load(object_name, values)["Id"])

    def session_of(self, user_id: str) -> str:
        """An access token of another user, whose writes then bear that user's id."""
        with self.lock:
            self._row(self._table("User"), user_id)
            return self.sessions.issue(user_id)

    def undelete(self, object_name: str, record_id: str) -> None:
        """Takes a record out of the recycle bin."""
        with self.lock:
            self._table(object_name).undelete(record_id, by=self.user_id, at=self._stamp())

    def empty_recycle_bin(self, object_name: str) -> None:
        """After this only getDeleted knows of the deleted records, until `replication.purge_log`."""
        with self.lock:
            self._table(object_name).purge()

    def remove_field(self, object_name: str, field: str) -> None:
        """Takes a field away from the integration user's sight."""
        with self.lock:
            self._table(object_name).schema.remove(field)

    def remove_object(self, object_name: str) -> None:
        """Takes a whole object away."""
        with self.lock:
            del self._tables[self._table(object_name).schema.name.lower()]

    def open_learning_item_progress(self) -> None:
        """Lets describe call LearningItemProgress updateable, which no org is known to do."""
        with self.lock:
            schema = self._table("LearningItemProgress").schema
            schema.updateable = True
            for name in ("ProgressStatus", "CompletedPercent", "CompletedDate"):
                schema.fields[name.lower()].updateable = True

    def deactivate_picklist_value(self, object_name: str, field: str, value: str) -> None:
        """Deactivates a picklist value, which a restricted picklist then refuses."""
        with self.lock:
            self._table(object_name).schema.fields[field.lower()].picklist[value] = False

    def set_api_usage(self, used: int, maximum: int) -> None:
        """Sets the daily allowance and how much of it is gone."""
        with self.lock:
            self.sessions.api_used, self.sessions.api_max = used, maximum

    def fail_next(self, *codes: str) -> None:
        """Queues codes that the next written records fail with, one record each."""
        with self.lock:
            self._faults.queue(codes)

    def fail_share(self, share: float, code: str, seed: int = 0) -> None:
        """Fails this share of all record writes, each by chance, until ``forgive``."""
        with self.lock:
            self._faults.share(share, code, seed)

    def refuse_record(self, external_id: str, code: str, text: str = "injected fault") -> None:
        """Refuses the record with this external id whenever it is written, and counts that, until ``forgive``."""
        with self.lock:
            self._faults.choose(external_id, code, text)

    def forgive(self) -> None:
        """Ends what ``refuse_record`` and ``fail_share`` began, and counts anew."""
        with self.lock:
            self._faults.forgive()

    @property
    def refusals(self) -> dict[str, int]:
        """How often each record of ``refuse_record`` was refused."""
        with self.lock:
            return dict(self._faults.refusals)

    def fail_job_after(self, rows: int) -> None:
        """The next bulk job fails once it has processed so many rows; what it wrote stays written."""
        with self.lock:
            self.bulk.fail_after = rows

    def refuse_next(self, *refusals: tuple[int, str]) -> None:
        """Queues whole-request refusals (HTTP status, error code), one call each."""
        with self.lock:
            self.sessions.refuse_next(refusals)

    def expire_sessions(self) -> None:
        """Ends every session; the next call gets 401."""
        with self.lock:
            self.sessions.expire()

    @property
    def write_counts(self) -> dict[str, Any]:
        """Records created, updated, unchanged, failed and deleted per object, and the collection calls."""
        with self.lock:
            counts: dict[str, Any] = {name: dict(counter) for name, counter in self._writes.items()}
            return {"objects": counts, "collection_calls": self.collection_calls}

    def record_counts(self) -> dict[str, int]:
        """Records per object."""
        with self.lock:
            return {table.schema.name: len(table.rows) for table in self._tables.values()}

    # For resources that write by rules of their own; they hold the lock

    def write_row(self, name: str, row: Row | None, values: Row) -> Row:
        """Creates a record (``row`` is None) or writes into one, and counts it."""
        table = self._table(name)
        if row is None:
            self._count(table)["created"] += 1
            return table.insert(values, by=self.user_id, at=self._stamp())
        changed = table.update(row, values, by=self.user_id, at=self._stamp())
        self._count(table)["updated" if changed else "unchanged"] += 1
        return row

    def check_fault(self) -> None:
        """Raises the next queued fault of ``fail_next``, if any."""
        self._faults.check({})

    # Inside

    def external_id(self, schema: ObjectSchema, name: str) -> FieldSchema:
        """The external id field that a URL names; 404 where it is none."""
        field = schema.field(name)
        if field is None or not (field.external_id or field.name == "Id"):
            raise RequestError(
                404,
                "NOT_FOUND",
                f"Provided external ID field does not exist or is not accessible: {name}",
            )
        return field

    def table(self, name: str) -> Table:
        """The records of one object; the caller holds the lock."""
        return self._table(name)

    def now(self) -> datetime:
        """The org's clock."""
        return self._now()

    def _clear_lookups(self, parent: Table, gone: set[str]) -> None:
        if not gone:
            return
        for table in self._tables.values():
            links = [
                f.name for f in table.schema.fields.values() if f.reference_to == parent.schema.name and f.nillable
            ]
            for row in table.rows.values() if links else ():
                row |= {name: None for name in links if row.get(name) in gone}

    def _table(self, name: str) -> Table:
        table = self._tables.get(name.lower())
        if table is None:
            raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
        return table

    def _row(self, table: Table, record_id: str) -> Row:
        row = table.rows.get(record_id)
        if row is None:
            if record_id in table.recycled:
                raise RequestError(404, "ENTITY_IS_DELETED", "entity is deleted")
            raise RequestError(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible")
        return row

    def _view(self, table: Table, row: Row) -> Row:
        out = {field.name: row.get(field.name) for field in table.schema.fields.values()}
        now = self._now()
        for name in table.schema.formulas:
            out[name] = evaluate(table.schema.fields[name.lower()].formula or "", row, now)
        return out

    def _stamp(self) -> str:
        return format_datetime(self._now())

    def _count(self, table: Table) -> Counter[str]:
        return self._writes.setdefault(table.schema.name, Counter())

    def _check_writable(self, table: Table, *, create: bool) -> None:
        if not (table.schema.createable if create else table.schema.updateable):
            verb = "inserted" if create else "updated"
            raise RecordError(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be {verb}: {table.schema.label}"
            )

    def _write(
        self,
        table: Table,
        records: Sequence[Mapping[str, Any]],
        plan: Callable[[Mapping[str, Any]], Plan],
        all_or_none: bool,
        by: str,
    ) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        held: list[tuple[int, Plan]] = []
        failed = False
        for at, record in enumerate(records):
            try:
                self._faults.check(record)
                step = plan(record)
            except RecordError as refusal:
                failed = True
                results.append(_failure(refusal))
                continue
            if all_or_none:
                held.append((at, step))
                results.append({})
            else:
                results.append(self._apply(table, step, by))
        for at, step in held:
            results[at] = _failure(ROLLED_BACK) if failed else self._apply(table, step, by)
        self._count(table)["failed"] += sum(not result["success"] for result in results)
        return results

    def _apply(self, table: Table, plan: Plan, by: str) -> dict[str, Any]:
        at, by = self._stamp(), by or self.user_id
        if plan.target is None:
            row = table.insert(plan.values, by=by, at=at)
            self._count(table)["created"] += 1
        else:
            row = plan.target
            changed = table.update(row, plan.values, by=by, at=at)
            self._count(table)["updated" if changed else "unchanged"] += 1
        return {"id": row["Id"], "success": True, "created": plan.target is None, "errors": []}


def _failure(refusal: RecordError) -> dict[str, Any]:
    return {"success": False, "created": False, "errors": [refusal.as_dict()]}


def _refuse_twin(key: FieldSchema, record: Mapping[str, Any], seen: set[str]) -> None:
    """One call may name an external id once; the first record of a pair is served, the second refused."""
    value = record.get(key.name)
    if not isinstance(value, str):
        return
    if value.strip().lower() in seen:
        raise RecordError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", key.name)
    seen.add(value.strip().lower())
