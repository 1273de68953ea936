"""Salesforce → Absorb: who was assigned a course in Salesforce becomes enrolled in it in Absorb (docs/assignments.md).

Salesforce is only read. Two things keep anybody from being enrolled twice, even with a stale warehouse or after a kill
between the call and its entry in the ledger: the intent is in ops.assignments before the portal is asked, and the
portal is asked whether the enrollment is there before it is made. Nobody is un-enrolled or enrolled again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from connector.absorb.pull.pull import pull_lock
from connector.assignments import ledger
from connector.assignments.ledger import Assignment, Entry
from connector.assignments.plan import make_plan, settle
from connector.assignments.query import check_query, read_record, refusal
from connector.assignments.report import AssignOptions, AssignReport
from connector.assignments.send import Sender
from connector.errors import ApiError, NotFoundError, SettingsError
from connector.progress import Progress, Silent
from connector.salesforce.client import SalesforceClient
from connector.settings import Settings, require_absorb, require_salesforce, variable
from connector.warehouse import runs
from connector.warehouse.database import Warehouse


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
        self._org_id = ""
        self._report = AssignReport(dry_run=not options.apply)

    async def run(self) -> AssignReport:
        folder = self._settings.warehouse.outbox / self._run_id
        folder.mkdir(parents=True, exist_ok=True)
        try:
            due = self._plan(await self._fetch(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if due and self._options.apply:
            await self._send(due)
        return self._report

    async def _fetch(self, folder: Path) -> Path:
        """The assignments in Salesforce, one JSON object a line."""
        self._progress.stage("assignments")
        path = folder / "assignments.ndjson"
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

    def _plan(self, asked: Path) -> list[Assignment]:
        """Those to enroll, in their order. A dry run leaves the ledger as it is."""
        tenant_id, options, report = self._settings.tenant_id, self._options, self._report
        with self._warehouse.transaction() as connection:
            plan = make_plan(connection, asked, tenant_id, self._org_id, retry=options.retry, samples=options.samples)
            if options.apply:
                runs.end_killed(connection, tenant_id, "assign", self._run_id)
                settle(connection, tenant_id, self._org_id, self._run_id)
        report.outcomes, report.samples, report.read = plan.outcomes, plan.samples, sum(plan.outcomes.values())
        chosen = plan.due[: options.limit]
        report.left_out = len(plan.due) - len(chosen) if options.apply else 0
        return chosen

    async def _send(self, due: list[Assignment]) -> None:
        """Enroll one after the other; the result of one is written together with the intent of the next."""
        self._progress.stage("enrolling", len(due))
        done: list[Entry] = []
        async with Sender(self._settings) as sender:
            try:
                for assignment in due:
                    self._record(*done, assignment.entry("sending"))
                    done = [await sender.enroll(assignment)]
                    self._report.count(done[0])
                    self._progress.advance()
                    if sender.stopped:
                        break
                self._record(*done)
            finally:
                self._report.absorb_requests = sender.requests
            if sender.stopped:
                raise sender.stopped

    def _record(self, *entries: Entry) -> None:
        with self._warehouse.transaction() as connection:
            ledger.put(connection, entries, self._settings.tenant_id, self._org_id, self._run_id)
