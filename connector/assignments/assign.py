"""Salesforce → Absorb: who was assigned a course in Salesforce becomes enrolled in it in Absorb (docs/assignments.md).

Salesforce is only read. Two things keep anybody from being enrolled twice, even with a stale warehouse or after a kill
between the call and its entry in the ledger: the intent is in ops.assignments before the portal is asked, and the
portal is asked whether the enrollment is there before it is made. Nobody is un-enrolled or enrolled again.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from connector import files
from connector.absorb.api import AbsorbApi
from connector.absorb.api.resources import EnrollmentCreated
from connector.absorb.client import AbsorbClient
from connector.absorb.faults import concerns_every_call, is_key_refused
from connector.absorb.identity import portal_identity
from connector.absorb.pull.pull import pull_lock
from connector.assignments import dates
from connector.assignments.query import check_query, read_record, refusal
from connector.assignments.report import Assignment, AssignOptions, AssignReport, Entry
from connector.errors import (
    ApiError,
    BadRequestError,
    LearnsyncError,
    NotFoundError,
    PermissionDeniedError,
    SettingsError,
    WrongPathError,
)
from connector.progress import Progress, Silent
from connector.push.single_calls import LOST
from connector.salesforce.client import SalesforceClient
from connector.settings import Settings, require_absorb, require_salesforce, variable
from connector.streams.rows import Enrollment
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Warehouse
from connector.warehouse.identity import require_same
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

# This many deferred in a row mean that the portal is down, so the run ends.
DEFERRALS_IN_A_ROW = 3


def require_assignments(settings: Settings, options: AssignOptions) -> None:
    """Raise SettingsError when something is not set: both logins, a usable query and, to apply, ENABLED."""
    if options.apply and not settings.assignments.enabled:
        raise SettingsError(
            f"{variable('assignments', 'enabled')} is not true: learnsync enrolls nobody in Absorb.",
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
    report = AssignReport(dry_run=not options.apply)
    runner = _Assign(settings, run_id, options, progress or Silent(), report, Warehouse.of(settings))
    if not options.apply:
        return asyncio.run(runner.run())
    with pull_lock(settings, run_id):  # Absorb keeps one live token per account
        return asyncio.run(runner.run())


@dataclass(slots=True)
class _Assign:
    settings: Settings
    run_id: str
    options: AssignOptions
    progress: Progress
    report: AssignReport
    warehouse: Warehouse
    org_id: str = ""

    async def run(self) -> AssignReport:
        outbox = self.settings.warehouse.outbox
        files.make_folder(outbox)
        with TemporaryDirectory(prefix=f"{self.run_id}-", dir=outbox, ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "assignments.ndjson"
            await self._fetch(path)
            due = self._plan(path)
        if due and self.options.apply:
            await self._send(due)
        return self.report

    async def _fetch(self, path: Path) -> None:
        """Write the assignments in Salesforce to `path`, one JSON object a line."""
        self.progress.stage("assignments")
        section = self.settings.assignments
        async with SalesforceClient.of(self.settings) as client:
            grant = await client.grant()
            self.org_id = grant.org_id
            require_same(self.warehouse, grant.identity, self.settings.tenant_id)
            try:
                with files.open_text(path) as lines:
                    async for records in client.query(section.query):
                        lines.writelines(json.dumps(read_record(section, record)) + "\n" for record in records)
                        self.progress.advance(len(records))
            except ApiError as failure:
                if isinstance(failure, NotFoundError):
                    await client.check_version()  # a version that the org does not serve looks the same
                raise refusal(failure) or failure from None
            self.report.calls = client.calls_made
            self.report.api_used, self.report.api_allowed = client.calls_used, client.calls_allowed

    def _plan(self, asked: Path) -> list[Assignment]:
        """Those to enroll, in their order. A dry run leaves the ledger as it is."""
        options, report = self.options, self.report
        names = {"tenant_id": self.settings.tenant_id, "org_id": self.org_id}
        with self.warehouse.transaction() as connection:
            connection.execute(sql("plan"), names | {"files": [str(asked)], "retry": options.retry})
            counted = connection.execute("SELECT outcome, count(*) FROM assignment_plan GROUP BY ALL ORDER BY ALL")
            report.outcomes = dict(counted.fetchall())
            report.samples = [
                one for (one,) in connection.execute(sql("samples"), {"most": options.samples}).fetchall()
            ]
            due = [Assignment(*row) for row in connection.execute(sql("due")).fetchall()]
            if options.apply:
                runs.end_killed(connection, self.settings.tenant_id, "assign", self.run_id)
                connection.execute(sql("settle"), self._written())
        report.read = sum(report.outcomes.values())
        report.left_out = len(due[options.limit :]) if options.apply and options.limit is not None else 0
        return due[: options.limit]

    async def _send(self, due: list[Assignment]) -> None:
        """Enroll one after the other; the result of one is written together with the intent of the next."""
        self.progress.stage("enrolling", len(due))
        done: list[Entry] = []
        async with AbsorbClient.of(self.settings) as client:
            require_same(self.warehouse, await portal_identity(client), self.settings.tenant_id)
            sender = _Sender(client)
            try:
                for assignment in due:
                    self._record(*done, Entry(assignment, "sending"))
                    done = [await sender.enroll(assignment)]
                    self.report.count(done[0])
                    self.progress.advance()
                    if sender.stopped:
                        break
                self._record(*done)
            finally:
                self.report.absorb_requests = client.session.stats.requests
            if sender.stopped:
                raise sender.stopped

    def _record(self, *entries: Entry) -> None:
        """Write these entries over those of the same assignments."""
        with self.warehouse.transaction() as connection:
            connection.execute(sql("ledger_put"), self._written() | {"entries": rows_param(entries)})

    def _written(self) -> dict[str, Any]:
        """What is bound where the ledger is written."""
        ids = {"tenant_id": self.settings.tenant_id, "org_id": self.org_id, "run_id": self.run_id}
        return {**ids, "now": utc_now()}


class _Sender:
    """Makes enrollments in one portal, one at a time. Whether one is there is asked before, and after a lost answer.

    `stopped` holds what keeps every further call from succeeding.
    """

    def __init__(self, client: AbsorbClient) -> None:
        self._enrollments = AbsorbApi(client).enrollments
        self._in_a_row = 0
        self.stopped: LearnsyncError | None = None

    async def enroll(self, assignment: Assignment) -> Entry:
        """Make sure that there is an enrollment, history included. What Absorb refuses is in the entry, not raised."""
        try:
            entry = await self._enroll(assignment)
        except (BadRequestError, NotFoundError) as failure:
            entry = _failed(assignment, "rejected", failure)
        except LearnsyncError as failure:
            entry = _failed(assignment, "deferred", failure)
            self._stop_if_lasting(failure)
        if entry.state != "deferred":
            self._in_a_row = 0
        return entry

    async def _enroll(self, assignment: Assignment) -> Entry:
        if there := await self._find(assignment):
            return Entry(assignment, "enrolled", there.id, was_there=True)
        try:
            made = await self._create(assignment)
        except LOST:
            if there := await self._find(assignment):
                return Entry(assignment, "enrolled", there.id, dates_kept=dates.kept(assignment, there))
            raise
        there = await self._find(assignment) if assignment.has_dates else None
        return Entry(assignment, "enrolled", made.enrollment_id, dates_kept=dates.kept(assignment, there))

    async def _create(self, assignment: Assignment) -> EnrollmentCreated:
        """With the dates where there are any; where Absorb refuses that, without. A refusal has made nothing."""
        user, course = assignment.user_id, assignment.course_id
        if assignment.has_dates:
            with suppress(BadRequestError, NotFoundError, WrongPathError):
                return await self._enrollments.create_or_update(user, dates.body(assignment))
        return await self._enrollments.create(user, course)

    async def _find(self, assignment: Assignment) -> Enrollment | None:
        """An enrollment of this learner in this course; None where the portal has none, or shows none."""
        try:
            return await self._enrollments.of_user_in_course(assignment.user_id, assignment.course_id)
        except NotFoundError:
            return None

    def _stop_if_lasting(self, failure: LearnsyncError) -> None:
        """Stop where every further call would fail in the same way: key, token, role, path, an outage."""
        self._in_a_row += 1
        lasting = isinstance(failure, ApiError) and (
            concerns_every_call(failure) or isinstance(failure, PermissionDeniedError | WrongPathError)
        )
        if isinstance(failure, PermissionDeniedError) and not is_key_refused(failure):
            failure.remedy = (
                "Give the admin that learnsync logs in as a role that may view and enroll learners, or set"
                f" {variable('assignments', 'enabled')}=false."
            )
        if lasting or not isinstance(failure, LOST) or self._in_a_row >= DEFERRALS_IN_A_ROW:
            self.stopped = failure


def _failed(assignment: Assignment, state: str, failure: LearnsyncError) -> Entry:
    """The entry for a state in which there is no enrollment, with the reason."""
    code = str(getattr(failure, "status", 0) or type(failure).__name__.removesuffix("Error"))
    return Entry(assignment, state, error_code=code, error_text=failure.message)
