"""The catalogue → the org's Learnings Graph: one learning a call, looked up before it is made.

A learning has no upsert. So before each POST the org is asked for the course's external id, and what is there is
updated instead: a push that was killed, an answer that was lost, a new warehouse all end in one learning per course.
The intent is in the ledger before the call. Source of the rules: docs/facts/salesforce.md section 6.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from connector.canonical.maps import load_maps
from connector.errors import IncompleteError, LearnsyncError, ProtocolError, ServerFaultError, UnreachableError
from connector.progress import Progress, Silent
from connector.push.outcomes import classify, last_word, ledger_row, tried_again
from connector.push.reports import PushReport, TargetReport
from connector.salesforce.client import RowResult, SalesforceClient
from connector.salesforce.learnings.api import LearningsGraph
from connector.salesforce.learnings.models import (
    SINGLE,
    CreateLearning,
    FoundationItemRef,
    Graph,
    LearningInput,
    Requirement,
    RequirementChange,
    UpdateLearning,
)
from connector.salesforce.learnings.plan import OBJECT, TARGET, Item, Plan, plan, preflight
from connector.salesforce.push.objects import PushOptions, push_lock
from connector.settings import Settings, require_salesforce
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Warehouse
from connector.warehouse.statements import rows_param, statements

push_sql = statements("connector.push")

log = logging.getLogger(__name__)

# Outcomes are written in groups: a kill between costs a look-up per learning, never a learning twice.
BATCH = 25
ROUNDS = 3
PAUSE_SECONDS = 1.0  # before the second try; twice that before the third
# So many learnings in a row without an answer: the org is not well, and every further one would cost minutes.
LOST_IN_A_ROW = 3
# Codes of ours, beside those of the org that salesforce_errors.csv classes: the first two wait for the next push.
NO_ANSWER, PREREQUISITE_MISSING, INVALID_PAYLOAD = "NO_ANSWER", "PREREQUISITE_MISSING", "INVALID_PAYLOAD"
_LOST = (UnreachableError, ServerFaultError, ProtocolError)


def push_learnings(
    settings: Settings, run_id: str, options: PushOptions | None = None, progress: Progress | None = None
) -> PushReport:
    """Push what differs from the ledger. Raises LearnsyncError; outcomes known by then are in the ledger."""
    require_salesforce(settings)
    runner = _LearningsPush(settings, run_id, options or PushOptions(), progress or Silent())
    if runner.options.dry_run:
        return asyncio.run(runner.run())
    with push_lock(settings, run_id):
        with Warehouse.of(settings).transaction() as connection:
            runs.end_killed(connection, settings.tenant_id, "push", run_id)
        return asyncio.run(runner.run())


class _LearningsPush:
    def __init__(self, settings: Settings, run_id: str, options: PushOptions, progress: Progress) -> None:
        self.options = options
        self._settings = settings
        self._maps = load_maps(settings)
        self._run_id = run_id
        self._progress = progress
        self._warehouse = Warehouse.of(settings)
        self._client = SalesforceClient.of(settings)
        self._report = TargetReport(TARGET, OBJECT)
        self._org_id = ""
        self._known: dict[str, str] = {}
        self._lost_in_a_row = 0

    async def run(self) -> PushReport:
        report = PushReport(self.options.dry_run, {TARGET: self._report})
        async with self._client:
            self._progress.stage("preflight", 1)
            self._org_id = (await self._client.grant()).org_id
            self._graph = LearningsGraph(self._client, await preflight(self._client, self._maps))
            items = self._plan()
            if not self.options.dry_run:
                await self._send(items)
            report.calls = self._client.calls_made
            report.api_used, report.api_allowed = self._client.calls_used, self._client.calls_allowed
        return report

    def _plan(self) -> list[Item]:
        with self._warehouse.connect() as connection:
            found: Plan = plan(
                connection,
                self._maps,
                self._settings.tenant_id,
                self._org_id,
                samples=self.options.samples,
                full=self.options.full,
            )
        counts = dict(found.counts)
        for action in ("create", "update", "unchanged", "held"):
            setattr(self._report, action, counts.pop(action, 0))
        self._report.blocked = counts
        self._report.samples, self._report.notes = found.samples, found.notes
        self._report.method = "graph" if found.items else ""
        self._known = dict(found.known)
        return found.items if self.options.limit is None else found.items[: self.options.limit]

    # -- sending -------------------------------------------------------------------------------------------------

    async def _send(self, items: list[Item]) -> None:
        self._progress.stage(OBJECT, len(items))
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            self._intend(batch)
            outcomes: list[dict[str, Any]] = []
            try:
                for item in batch:
                    await self._send_one(item, outcomes)
                    self._progress.advance()
            finally:
                self._record(outcomes)

    async def _send_one(self, item: Item, outcomes: list[dict[str, Any]]) -> None:
        missing = [course for course in item.prerequisites if course not in self._known]
        if missing:
            text = f"the org does not have the learning of course {missing[0]} yet"
            result, failure = RowResult(False, False, None, PREREQUISITE_MISSING, text), None
        else:
            result, failure = await self._put(item)
        outcome = last_word(self._classify(result), result.code, None)
        row = ledger_row(item.external_id, item.payload_hash, result, outcome)
        self._report.count(row["state"], result.code, created=result.created)
        outcomes.append(row)
        if result.salesforce_id:
            self._known[item.external_id] = result.salesforce_id
        self._stop_if_hopeless(result, outcome, failure)

    def _stop_if_hopeless(self, result: RowResult, outcome: str, failure: LearnsyncError | None) -> None:
        if outcome == "stop":
            raise IncompleteError(
                f"The org refuses learnings: {result.code} ({result.text}).",
                remedy="This needs an admin of the org; what was not pushed stays due.",
            )
        self._lost_in_a_row = self._lost_in_a_row + 1 if failure else 0
        if failure and self._lost_in_a_row >= LOST_IN_A_ROW:
            raise failure

    async def _put(self, item: Item) -> tuple[RowResult, LearnsyncError | None]:
        """Look, then create or update; the same again while the outcome is unknown or a passing fault."""
        posted = False
        result, failure = RowResult(False, False, None, NO_ANSWER, ""), None
        for number in range(ROUNDS):
            if number:
                await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.0) * 2 ** (number - 1))  # noqa: S311 - jitter, no secret
            try:
                there = await self._look(item)
            except ServerFaultError as lost:  # retried already; the others may still get an answer
                return RowResult(False, False, None, NO_ANSWER, lost.message), lost
            try:
                attempt: Coroutine[Any, Any, RowResult]
                if there is None:
                    posted, attempt = True, self._graph.create(self._create(item))
                else:
                    attempt = self._graph.update(self._update(item, there))
                result, failure = await attempt, None
            except _LOST as lost:
                log.info("no certain answer for the learning of course %s: %s", item.external_id, lost.message)
                result, failure = RowResult(False, False, None, NO_ANSWER, lost.message), lost
                continue
            except ValidationError as wrong:
                return RowResult(False, False, None, INVALID_PAYLOAD, _first_problem(wrong)), None
            if not tried_again(self._classify(result), number):
                break
        created = posted and result.success
        return RowResult(result.success, created, result.salesforce_id, result.code, result.text), failure

    def _classify(self, result: RowResult) -> str:
        return "defer" if result.code in {NO_ANSWER, PREREQUISITE_MISSING} else classify(result, self._maps.errors)

    async def _look(self, item: Item) -> Graph | None:
        """What the org has of this course. The id is asked for first: an admin may have emptied the key field."""
        known = await self._graph.get(item.learning_id) if item.learning_id else None
        return known or await self._graph.find(item.external_id)

    def _create(self, item: Item) -> CreateLearning:
        fields = {name: value for name, value in item.learning.items() if value is not None}
        wanted = [self._requirement(self._known[course]) for course in item.prerequisites]
        learning = LearningInput.model_validate(fields)
        return CreateLearning(learning=learning, prerequisites=wanted) if wanted else CreateLearning(learning=learning)

    def _update(self, item: Item, there: Graph) -> UpdateLearning:
        ids = {"learningId": there.learning.learning_id}
        if there.learning.learning_course_id:
            ids["learningCourseId"] = there.learning.learning_course_id
        learning = LearningInput.model_validate(ids | item.learning)
        change = self._prerequisite_change(item, there)
        return UpdateLearning(learning=learning, prerequisites=change) if change else UpdateLearning(learning=learning)

    def _prerequisite_change(self, item: Item, there: Graph) -> RequirementChange | None:
        """What makes the org's prerequisites those of the course; those on learnings that are not ours stay."""
        wanted = {self._known[course] for course in item.prerequisites}
        ours = set(self._known.values())
        missing, gone = set(wanted), []
        for entry in there.prerequisites or []:
            if missing & entry.learning_ids:
                missing -= entry.learning_ids
            elif entry.learning_ids and entry.learning_ids <= ours and entry.learning_foundation_item_id:
                gone.append(FoundationItemRef(foundation_item_id=entry.learning_foundation_item_id))
        parts: dict[str, Any] = {}
        if missing:
            parts["create_records"] = [self._requirement(learning_id) for learning_id in sorted(missing)]
        if gone:
            parts["delete_records"] = gone
        return RequirementChange(**parts) if parts else None

    @staticmethod
    def _requirement(learning_id: str) -> Requirement:
        return Requirement(type=SINGLE, learning_id=learning_id)

    # -- ledger --------------------------------------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        return {
            "tenant_id": self._settings.tenant_id, "org_id": self._org_id, "object": OBJECT, "now": utc_now(),
            "run_id": self._run_id,
        }  # fmt: skip

    def _intend(self, batch: list[Item]) -> None:
        rows = [{"external_id": item.external_id, "payload_hash": item.payload_hash} for item in batch]
        with self._warehouse.transaction() as connection:
            connection.execute(push_sql("ledger_intend"), self._values() | {"rows": rows_param(rows)})

    def _record(self, outcomes: list[dict[str, Any]]) -> None:
        if outcomes:
            with self._warehouse.transaction() as connection:
                connection.execute(push_sql("ledger_put"), self._values() | {"outcomes": rows_param(outcomes)})


def _first_problem(wrong: ValidationError) -> str:
    error = wrong.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']} (learnings_fields.csv)"
