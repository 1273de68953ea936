"""Salesforce → Absorb: who was assigned a course in Salesforce becomes enrolled in it in Absorb (docs/assignments.md).

Salesforce is only read. Each assignment is judged in SQL against what the warehouse knows; those that are due are
enrolled one by one. The intent is in ops.assignments before the portal is asked, and the portal is asked whether the
enrollment is there before it is made: neither a stale warehouse nor a kill between the call and its entry in the ledger
enrolls anybody twice. Nobody is ever un-enrolled or enrolled again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.absorb.pull.pull import pull_lock
from connector.assignments.query import check_query, read_record, refusal
from connector.assignments.send import Assignment, Entry, Sender
from connector.errors import ApiError, NotFoundError, SettingsError
from connector.progress import Progress, Silent
from connector.salesforce.client import SalesforceClient
from connector.settings import Settings, require_absorb, require_salesforce
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

SAMPLES = 3
MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """Without `apply` nothing is written anywhere. `limit` caps the enrollments; `retry` tries refused ones again."""

    apply: bool = False
    limit: int | None = None
    retry: bool = False
    samples: int = SAMPLES


@dataclass(slots=True)
class AssignReport:
    """What was done about the assignments, or with `dry_run` would be.

    `outcomes`: assignments by what the plan says of them. `enrolled` were enrolled by this run, `already` turned out to
    be enrolled when the portal was asked, `left_out` are due and beyond the limit.
    """

    dry_run: bool
    read: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    enrolled: int = 0
    already: int = 0
    rejected: int = 0
    deferred: int = 0
    left_out: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    # {outcome, assignment_id, learner, course, user_id, course_id, error_code, error_text}
    samples: list[dict[str, Any]] = field(default_factory=list)
    # {state, assignment_id, user_id, course_id, error_code, error_text}: the first that the portal did not take.
    failures: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0
    absorb_requests: int = 0

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred, held back by an earlier rejection, or left out by a limit."""
        return not (self.rejected or self.deferred or self.left_out or self.outcomes.get("held"))

    def count(self, entry: Entry) -> None:
        """Add what became of one assignment."""
        self.enrolled += entry.state == "enrolled" and not entry.was_there
        self.already += entry.was_there
        self.rejected += entry.state == "rejected"
        self.deferred += entry.state == "deferred"
        if entry.state == "enrolled":
            return
        self.errors = dict(Counter(self.errors) + Counter({entry.error_code or "UNKNOWN": 1}))
        if len(self.failures) < MOST_FAILURES:
            shown = entry.row()
            del shown["enrollment_id"]
            self.failures.append(shown)


def require_assignments(settings: Settings, options: AssignOptions) -> None:
    """Raise SettingsError when something is not set: both logins, a usable query and, to apply, ENABLED."""
    if options.apply and not settings.assignments.enabled:
        raise SettingsError(
            "LEARNSYNC_ASSIGNMENTS__ENABLED is not true: learnsync enrolls nobody in Absorb.",
            remedy="Look at what `learnsync assign` would do; then set it to true.",
        )
    require_absorb(settings)
    require_salesforce(settings)
    check_query(settings.assignments)


def assign(
    settings: Settings, run_id: str, options: AssignOptions | None = None, progress: Progress | None = None
) -> AssignReport:
    """Enroll who is due, or say who would be. Raises LearnsyncError; what was enrolled by then is in the ledger."""
    options = options or AssignOptions()
    require_assignments(settings, options)
    runner = _Assign(settings, run_id, options, progress or Silent())
    if not options.apply:
        return asyncio.run(runner.run())
    with pull_lock(settings, run_id):  # Absorb keeps one live token per account
        return asyncio.run(runner.run())


class _Assign:
    def __init__(self, settings: Settings, run_id: str, options: AssignOptions, progress: Progress) -> None:
        self._settings = settings
        self._run_id = run_id
        self._options = options
        self._progress = progress
        self._warehouse = Warehouse.of(settings)
        self._folder = settings.warehouse.outbox / run_id
        self._org_id = ""
        self._report = AssignReport(dry_run=not options.apply)

    async def run(self) -> AssignReport:
        try:
            asked = await self._fetch()
            due = self._plan(asked)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        if due and self._options.apply:
            await self._send(due)
        return self._report

    # -- Salesforce ----------------------------------------------------------------------------------------------

    async def _fetch(self) -> Path:
        """The assignments, one JSON object a line."""
        self._progress.stage("assignments")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "assignments.ndjson"
        section = self._settings.assignments
        async with SalesforceClient.of(self._settings) as client:
            self._org_id = (await client.grant()).org_id
            try:
                with path.open("w", encoding="utf-8") as lines:
                    async for records in client.query(section.query):
                        lines.writelines(json.dumps(read_record(section, record)) + "\n" for record in records)
                        self._progress.advance(len(records))
            except ApiError as failure:
                if isinstance(failure, NotFoundError):
                    await client.check_version()  # a version that the org does not serve looks the same
                raise refusal(failure) or failure from None
            self._report.calls = client.calls_made
            self._report.api_used, self._report.api_allowed = client.calls_used, client.calls_allowed
        return path

    # -- warehouse -----------------------------------------------------------------------------------------------

    def _plan(self, asked: Path) -> list[Assignment]:
        """Judge each assignment; returns those to enroll, in their order. A dry run rolls back."""
        report, names = self._report, {"tenant_id": self._settings.tenant_id, "org_id": self._org_id}
        with self._warehouse.connect() as connection:
            connection.execute("BEGIN")
            try:
                connection.execute(
                    sql("assignments_plan"), names | {"files": [str(asked)], "retry": self._options.retry}
                )
                counted = "SELECT outcome, count(*) FROM assignment_plan GROUP BY ALL ORDER BY ALL"
                report.outcomes = dict(connection.execute(counted).fetchall())
                report.read = sum(report.outcomes.values())
                report.samples = _samples(connection, self._options.samples)
                due = _due(connection)
                if self._options.apply:
                    connection.execute(sql("assignments_settle"), names | {"now": utc_now(), "run_id": self._run_id})
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT" if self._options.apply else "ROLLBACK")
        chosen = due[: self._options.limit]
        report.left_out = len(due) - len(chosen) if self._options.apply else 0
        return chosen

    def _record(self, *entries: Entry | None) -> None:
        """Entries of the ledger, in one transaction."""
        rows = [entry.row() for entry in entries if entry is not None]
        if not rows:
            return
        values = {
            "entries": rows_param(rows), "tenant_id": self._settings.tenant_id, "org_id": self._org_id,
            "now": utc_now(), "run_id": self._run_id,
        }  # fmt: skip
        with self._warehouse.transaction() as connection:
            connection.execute(sql("assignments_put"), values)

    # -- Absorb --------------------------------------------------------------------------------------------------

    async def _send(self, due: list[Assignment]) -> None:
        """Enroll one after the other; what became of one is written with the intent of the next."""
        self._progress.stage("enrolling", len(due))
        async with Sender(self._settings) as sender:
            try:
                known: Entry | None = None
                for assignment in due:
                    self._record(known, assignment.entry("sending"))
                    known = await sender.enroll(assignment)
                    self._report.count(known)
                    self._progress.advance()
                    if sender.stopped:
                        break
                self._record(known)
            finally:
                self._report.absorb_requests = sender.requests
            if sender.stopped:
                raise sender.stopped


def _due(connection: Connection) -> list[Assignment]:
    # What came to nothing before goes last, so that it cannot keep the others from their turn.
    rows = connection.execute(
        "SELECT assignment_id, CAST(user_id AS VARCHAR), CAST(course_id AS VARCHAR) FROM assignment_plan"
        " WHERE outcome = 'enroll' ORDER BY attempts, assignment_id"
    ).fetchall()
    return [Assignment(*row) for row in rows]


def _samples(connection: Connection, most: int) -> list[dict[str, Any]]:
    found = connection.execute(sql("assignments_samples"), {"most": most})
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
