"""Hooks of the org for tests and the demo: what no API offers, apart from the rules in ``org``."""

from typing import Any

from connector.sandbox.org.org import Org


class HookedOrg(Org):
    """An org whose state, schema and faults can be changed from outside, without any check."""

    # Records

    def set_values(self, object_name: str, record_id: str, **values: Any) -> None:
        """Overwrites fields of a record, as if someone with every right had done it."""
        with self.lock:
            table = self.table(object_name)
            table.update(self.row(table, record_id), values, by=self.user_id, at=self.stamp())

    def add(self, object_name: str, **values: Any) -> str:
        """Creates a record; its id."""
        with self.lock:
            return str(self.load(object_name, values)["Id"])

    def undelete(self, object_name: str, record_id: str) -> None:
        """Takes a record out of the recycle bin."""
        with self.lock:
            self.table(object_name).undelete(record_id, by=self.user_id, at=self.stamp())

    def empty_recycle_bin(self, object_name: str) -> None:
        """After this only getDeleted knows of the deleted records, until `replication.purge_log`."""
        with self.lock:
            self.table(object_name).purge()

    @property
    def write_counts(self) -> dict[str, Any]:
        """Records created, updated, unchanged, failed and deleted per object, and the collection calls."""
        with self.lock:
            return self.tally.as_dict()

    def record_counts(self) -> dict[str, int]:
        """Records per object."""
        with self.lock:
            return {table.schema.name: len(table.rows) for table in self._tables.values()}

    # Schema

    def remove_field(self, object_name: str, field: str) -> None:
        """Takes a field away from the integration user's sight."""
        with self.lock:
            self.table(object_name).schema.remove(field)

    def remove_object(self, object_name: str) -> None:
        """Takes a whole object away."""
        with self.lock:
            del self._tables[self.table(object_name).schema.name.lower()]

    def open_learning_item_progress(self) -> None:
        """Lets describe call LearningItemProgress updateable, which no org is known to do."""
        with self.lock:
            schema = self.table("LearningItemProgress").schema
            schema.updateable = True
            for name in ("ProgressStatus", "CompletedPercent", "CompletedDate"):
                schema.fields[name.lower()].updateable = True

    def deactivate_picklist_value(self, object_name: str, field: str, value: str) -> None:
        """Deactivates a picklist value, which a restricted picklist then refuses."""
        with self.lock:
            self.table(object_name).schema.fields[field.lower()].picklist[value] = False

    # Sessions

    def session_of(self, user_id: str) -> str:
        """An access token of another user, whose writes then bear that user's id."""
        with self.lock:
            self.row(self.table("User"), user_id)
            return self.sessions.issue(user_id)

    def set_api_usage(self, used: int, maximum: int) -> None:
        """Sets the daily allowance and how much of it is gone."""
        with self.lock:
            self.sessions.api_used, self.sessions.api_max = used, maximum

    def refuse_next(self, *refusals: tuple[int, str]) -> None:
        """Queues whole-request refusals (HTTP status, error code), one call each."""
        with self.lock:
            self.sessions.refuse_next(refusals)

    def expire_sessions(self) -> None:
        """Ends every session; the next call gets 401."""
        with self.lock:
            self.sessions.expire()

    # Faults

    def fail_next(self, *codes: str) -> None:
        """Queues codes that the next written records fail with, one record each."""
        with self.lock:
            self.faults.codes.queue(codes)

    def fail_share(self, share: float, code: str, seed: int = 0) -> None:
        """Fails this share of all record writes, each by chance, until ``forgive``."""
        with self.lock:
            self.faults.codes.share(share, [code], seed)

    def refuse_record(self, external_id: str, code: str, text: str = "injected fault") -> None:
        """Refuses the record with this external id whenever it is written, and counts that, until ``forgive``."""
        with self.lock:
            self.faults.choose(external_id, code, text)

    def forgive(self) -> None:
        """Ends what ``refuse_record`` and ``fail_share`` began, and counts anew."""
        with self.lock:
            self.faults.forgive()

    @property
    def refusals(self) -> dict[str, int]:
        """How often each record of ``refuse_record`` was refused."""
        with self.lock:
            return dict(self.faults.refusals)

    def fail_job_after(self, rows: int) -> None:
        """The next bulk job fails once it has processed so many rows; what it wrote stays written."""
        with self.lock:
            self.bulk.fail_after = rows
