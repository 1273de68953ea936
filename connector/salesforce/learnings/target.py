"""The catalogue → the org's Learnings Graph: one learning a call, looked up before it is made.

A learning has no upsert. So before each POST the org is asked for the course's external id, and what is there is
updated instead: a push that was killed, an answer that was lost, a new warehouse all end in one learning per course.
Source of the rules: docs/facts/salesforce.md section 6.
"""

from typing import Any

from pydantic import ValidationError

from connector.http.answers import first_complaint
from connector.push import difference
from connector.push.difference import Item
from connector.push.engine import Run
from connector.push.ledger import Ledger
from connector.push.outcomes import INVALID_PAYLOAD, PREREQUISITE_MISSING, RowResult
from connector.push.reports import TargetReport
from connector.push.single_calls import SingleCalls
from connector.push.watch import Watch
from connector.salesforce.client import SalesforceClient
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
from connector.salesforce.learnings.plan import OBJECT, TARGET, key_field, prepare, sorted_items, source, watch
from connector.salesforce.push.objects import OrgDestination
from connector.warehouse.database import Connection

# Outcomes are written in groups: a kill between costs a look-up per learning, never a learning twice.
BATCH = 25
LOST_IN_A_ROW = 3


class Learnings(OrgDestination):
    """The Learnings Graph of one org, its only target, and the calls to it."""

    name, object = TARGET, OBJECT
    names = (TARGET,)
    ledger: Ledger

    def __init__(self, run: Run, client: SalesforceClient) -> None:
        self.client = client
        self.watch: Watch | None = watch(run.maps)
        self._run = run
        self._items: list[Item] = []
        # Course id → id of its learning.
        self._known: dict[str, str] = {}

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
        self._known = {course: there for course, there in self.ledger.remote_ids(connection).items() if there}
        spool = run.folder / f"{TARGET}.ndjson"
        difference.spool(connection, spool, None)
        self._items = sorted_items(difference.read(spool))[: run.options.limit]
        return report

    async def send(self, _: TargetReport) -> None:
        """Look each learning up, then create or update it."""
        calls = SingleCalls(self._run, self.ledger, self._run.maps.errors, self, BATCH, LOST_IN_A_ROW)
        await calls.send(self._items)

    # -- calls -----------------------------------------------------------------------------------------------------

    async def find(self, item: Item, _: int) -> Graph | RowResult | None:
        """What the org has of this course. The id is asked for first: an admin may have emptied the key field."""
        missing = [course for course in item.payload["prerequisites"] if course not in self._known]
        if missing:
            text = f"the org does not have the learning of course {missing[0]} yet"
            return RowResult.refused(PREREQUISITE_MISSING, text)
        learning_id = self._known.get(item.external_id)
        known = await self._graph.get(learning_id) if learning_id else None
        return known or await self._graph.find(item.external_id)

    async def write(self, item: Item, there: Graph | None) -> RowResult:
        """Create the learning, or update the one that is there."""
        try:
            body = self._create(item) if there is None else self._update(item, there)
        except ValidationError as wrong:
            return RowResult.refused(INVALID_PAYLOAD, f"{first_complaint(wrong)} (learnings_fields.csv)")
        result = await self._graph.write(body)
        if result.remote_id:
            self._known[item.external_id] = result.remote_id
        return result

    def _create(self, item: Item) -> CreateLearning:
        fields = {name: value for name, value in item.payload["learning"].items() if value is not None}
        wanted = [_requirement(learning_id) for learning_id in self._required(item)]
        learning = LearningInput.model_validate(fields)
        return CreateLearning(learning=learning, prerequisites=wanted) if wanted else CreateLearning(learning=learning)

    def _update(self, item: Item, there: Graph) -> UpdateLearning:
        ids = {"learningId": there.learning.learning_id}
        if there.learning.learning_course_id:
            ids["learningCourseId"] = there.learning.learning_course_id
        learning = LearningInput.model_validate(ids | item.payload["learning"])
        change = self._prerequisite_change(item, there)
        return UpdateLearning(learning=learning, prerequisites=change) if change else UpdateLearning(learning=learning)

    def _required(self, item: Item) -> list[str]:
        return [self._known[course] for course in item.payload["prerequisites"]]

    def _prerequisite_change(self, item: Item, there: Graph) -> RequirementChange | None:
        """What makes the org's prerequisites those of the course; those on learnings that are not ours stay."""
        missing, gone = set(self._required(item)), []
        ours = set(self._known.values())
        for entry in there.prerequisites or []:
            if missing & entry.learning_ids:
                missing -= entry.learning_ids
            elif entry.learning_ids and entry.learning_ids <= ours and entry.learning_foundation_item_id:
                gone.append(FoundationItemRef(foundation_item_id=entry.learning_foundation_item_id))
        parts: dict[str, Any] = {}
        if missing:
            parts["create_records"] = [_requirement(learning_id) for learning_id in sorted(missing)]
        if gone:
            parts["delete_records"] = gone
        return RequirementChange(**parts) if parts else None


def _requirement(learning_id: str) -> Requirement:
    return Requirement(type=SINGLE, learning_id=learning_id)
