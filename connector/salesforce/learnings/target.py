"""The catalogue → the org's Learnings Graph: one learning a call, looked up before it is made.

A learning has no upsert. So before each POST the org is asked for the course's external id, and what is there is
updated instead: a push that was killed, an answer that was lost, a new warehouse all end in one learning per course.
Source of the rules: docs/facts/salesforce.md section 6.
"""

import json
from collections.abc import Sequence

from pydantic import ValidationError

from connector.http.answers import first_complaint
from connector.push import difference
from connector.push.difference import Item
from connector.push.engine import Run
from connector.push.ledger import Ledger
from connector.push.outcomes import INVALID_PAYLOAD, PREREQUISITE_MISSING, RowResult
from connector.push.reports import TargetReport
from connector.push.single_calls import SingleCalls
from connector.push.standing import Standing
from connector.push.watch import Watch
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.api import LearningsGraph
from connector.salesforce.learnings.changes import KINDS, created, differences, named, updated
from connector.salesforce.learnings.models import Graph, UpdateLearning
from connector.salesforce.learnings.plan import (
    OBJECT,
    TARGET,
    key_field,
    prepare,
    recommended_before,
    sorted_items,
    source,
    watch,
)
from connector.salesforce.push.destination import OrgDestination
from connector.salesforce.push.samples import SHOWN
from connector.warehouse.database import Connection

# Outcomes are written in groups: a kill between costs a look-up per learning, never a learning twice.
BATCH = 25
LOST_IN_A_ROW = 3


class Learnings(OrgDestination):
    """The Learnings Graph of one org, its only target, and the calls to it."""

    name, object = TARGET, OBJECT
    names = (TARGET,)
    ledger: Ledger
    standing: Standing | None = None

    def __init__(self, run: Run, client: SalesforceClient) -> None:
        self.client = client
        self.watch: Watch | None = watch(run.maps)
        self._run = run
        self._items: list[Item] = []
        # Course id → id of its learning, and → the courses that learnsync ever recommended for it.
        self._known: dict[str, str] = {}
        self._before: dict[str, list[str]] = {}

    async def preflight(self) -> None:
        """Raises SettingsError or PreflightError where the org cannot take learnings."""
        self.ledger = self._run.ledger(await self.org_id(self._run), OBJECT)
        self._graph = LearningsGraph(self.client, await key_field(self.client, self._run.maps))
        self.targets = [self]

    def plan(self, connection: Connection) -> TargetReport:
        """The difference, and the learnings that are due, each after those it requires."""
        run = self._run
        notes = prepare(connection, run.settings.tenant_id)
        difference.compute(connection, source(run.maps), self.ledger.key, full=run.options.full)
        report = difference.report(connection, TARGET, OBJECT, run.options.samples)
        report.notes, report.method = notes, "graph" if report.due else ""
        self._before = recommended_before(connection, self.ledger.key)
        self._known = {course: there for course, there in self.ledger.remote_ids(connection).items() if there}
        spool = run.folder / f"{TARGET}.ndjson"
        difference.spool(connection, spool, None)
        self._items = sorted_items(difference.read(spool))[: run.options.limit]
        return report

    async def send(self, _: TargetReport) -> None:
        """Look each learning up, then create or update it."""
        calls = SingleCalls(
            self._run, self.ledger, self._run.maps.errors, self, BATCH, LOST_IN_A_ROW, content=self._content
        )
        await calls.send(self._items)

    async def preview(self, reports: Sequence[TargetReport]) -> None:
        """The org's own values beside those that would be sent: a call or two per sample."""
        shown = [sample for report in reports for sample in report.samples if sample["action"] in SHOWN]
        for sample in shown:
            course = sample["external_id"]
            there = await self._look(course)
            item, before = Item(course, "", sample["payload"]), self._before.get(course, ())
            sample["in_salesforce"] = there is not None
            sample["changes"] = list(differences(self._run.maps.learnings, item, there, self._known, before))

    # -- calls -----------------------------------------------------------------------------------------------------

    async def find(self, item: Item, _: int) -> Graph | RowResult | None:
        """What the org has of this course. The id is asked for first: an admin may have emptied the key field."""
        missing = [course for kind in KINDS for course in named(item, kind) if course not in self._known]
        if missing:
            text = f"the org does not have the learning of course {missing[0]} yet"
            return RowResult.refused(PREREQUISITE_MISSING, text)
        return await self._look(item.external_id)

    async def _look(self, course_id: str) -> Graph | None:
        learning_id = self._known.get(course_id)
        known = await self._graph.get(learning_id) if learning_id else None
        return known or await self._graph.find(course_id)

    async def write(self, item: Item, there: Graph | None) -> RowResult:
        """Create the learning, or update the one that is there."""
        try:
            body = created(item, self._known) if there is None else self._updated(item, there)
        except ValidationError as wrong:
            return RowResult.refused(INVALID_PAYLOAD, f"{first_complaint(wrong)} (learnings_fields.csv)")
        result = await self._graph.write(body)
        if result.remote_id:
            self._known[item.external_id] = result.remote_id
        return result

    def _updated(self, item: Item, there: Graph) -> UpdateLearning:
        return updated(item, there, self._known, self._before.get(item.external_id, ()))

    def _content(self, item: Item) -> str | None:
        """What learnsync ever recommended for the course, this time included: that may be deleted again."""
        recommended = {*self._before.get(item.external_id, ()), *named(item, "recommended")}
        return json.dumps(sorted(recommended)) if recommended else None
