"""learning_record → the LearningRecord API: each record created once (docs/learning-records.md).

The API gives out the ids and offers no upsert, so a create whose answer was lost is looked for before it is repeated:
by what it says, among the person's records that the ledger does not already account for. Records that say the same are
interchangeable, so it does not matter which of them is whose.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from connector.errors import BadRequestError
from connector.learning_records import outdated
from connector.learning_records.client import CONCURRENCY, LearningRecordsApi
from connector.learning_records.models import (
    FIELDS,
    Form,
    NewLearningRecord,
    canonical,
    fingerprint,
    name_of,
    said,
    without_links,
)
from connector.push import difference
from connector.push.difference import Item, Source, read
from connector.push.engine import Destination, Run
from connector.push.outcomes import CONFLICT, RowResult
from connector.push.reports import TargetReport
from connector.push.single_calls import SingleCalls
from connector.push.standing import Standing
from connector.push.watch import Watch
from connector.settings import require_learning_records
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import Mapping

sql = statements(__package__)

TARGET, OBJECT = "learning_records", "LearningRecord"
QUERY = "push_learning_records"
BATCH = 100
# Above so many people to look at, the whole list is read instead: it costs a call per 100 records, not per person.
PEOPLE_LOOKED_AT = 50
LOST_IN_A_ROW = 5
# So many refusals in a row for one reason are the API's or the map's doing: the rest stays due.
MOST_ALIKE = 50


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the API may have already; `content` is what it says there (an earlier version: a fingerprint)."""

    external_id: str
    payload_hash: str
    content: str
    person: str | None


@dataclass(slots=True)
class Alike:
    """Refusals in a row for one reason: many are not the records' fault."""

    code: str | None = None
    times: int = 0

    def again(self, code: str | None) -> bool:
        """Count one more; true when there were too many."""
        self.times = self.times + 1 if code == self.code else 1
        self.code = code
        return self.times > MOST_ALIKE


class LearningRecords(Destination):
    """The LearningRecord API, its only target, and the calls to it."""

    name, object = TARGET, OBJECT
    names = (TARGET,)
    watch: Watch | None = None
    standing: Standing | None = None

    def __init__(self, run: Run) -> None:
        self.client: LearningRecordsApi = LearningRecordsApi.of(run.settings)
        self.targets = [self]
        self.ledger = run.ledger(require_learning_records(run.settings)[0], OBJECT)
        self._run = run
        self._spool: Path = run.folder / f"{TARGET}.ndjson"
        self._notes: list[str] = []
        self._unsettled: list[Sent] = []
        self._empty = True  # the ledger
        # Ids of the API's records that the ledger accounts for.
        self._claimed: set[str] = set()
        self._alike = Alike()
        # External id → id of records of which an earlier version kept nothing that can be read.
        self._unread: dict[str, str] = {}
        self._altered: set[str] = set()

    # -- before the difference ---------------------------------------------------------------------------------------

    def look_back(self, connection: Connection) -> None:
        """The records that the ledger knows, and those whose answer was lost."""
        known = self.ledger.remote_ids(connection)
        self._empty = not known
        self._claimed = {remote_id for remote_id in known.values() if remote_id}
        rows = connection.execute(sql("records_unsettled"), self.ledger.key).fetchall()
        self._unsettled = [Sent(*row) for row in rows]
        if outdated.unread(connection, self.ledger):
            self._compute(connection)
            self._unread = outdated.unread_after(connection, self.ledger)

    async def resume(self) -> list[str]:
        """Find what earlier pushes sent without an answer; with an empty ledger, what another warehouse sent."""
        if self._unread:
            self._run.progress.stage("asking what earlier records say", len(self._unread))
            await outdated.learn(self.client, self.ledger, self._unread)
        await self._adopt(
            self._unsettled,
            "looking for records of unknown outcome",
            "of an earlier push, whose answer was lost, were found",
        )
        if self._empty:  # it may be that of a new warehouse: the API is read once, whole, and whatever the limit
            with self._run.warehouse.transaction() as connection:
                self._compute(connection)
                difference.spool(connection, self._spool, None)
            await self._adopt(
                [Sent(item.external_id, item.payload_hash, outdated.kept(item), None) for item in read(self._spool)],
                "looking for records of another warehouse",
                "were in the API already and are taken over",
                without_links,  # the details may not have been read yet
            )
        return []

    async def _adopt(self, wanted: list[Sent], stage: str, note: str, form: Form = dict) -> None:
        """Enter records that the API has in the ledger, all or none. Those that it does not have are due as before.

        `form` is what of a record must be the same.
        """
        if not wanted:
            return
        self._run.progress.stage(stage, len(wanted))
        names = {entry.external_id: name_of(entry.content, form) for entry in wanted}
        there = await self._gather(set(names.values()), {entry.person for entry in wanted}, form)
        found = []
        for entry in wanted:
            if ids := there.get(names[entry.external_id]):
                self._claimed.add(ids[-1])
                found.append(asdict(entry) | {"salesforce_id": ids.pop()})
            self._run.progress.advance()
        self.ledger.found(found)
        if found:
            self._notes.append(f"{len(found)} record(s) {note}")

    async def _gather(self, wanted: set[str], people: set[str | None], form: Form) -> dict[str, list[str]]:
        """Content → ids of records that say it and are not in the ledger; of these people, or of all."""
        one_by_one = None not in people and len(people) <= PEOPLE_LOOKED_AT
        filters = [{"person_id": person} for person in sorted(filter(None, people))] if one_by_one else [{}]
        there: dict[str, list[str]] = defaultdict(list)
        for chosen in filters:
            async for record in self.client.list(**chosen):
                content = fingerprint(form(said(record)))
                if content in wanted and record.id not in self._claimed:
                    there[content].append(record.id)
        return there

    # -- difference and sending --------------------------------------------------------------------------------------

    def plan(self, connection: Connection) -> TargetReport:
        """The difference; records that can only be created are due once. Those that changed since are outdated."""
        options = self._run.options
        self._compute(connection)
        outdated.find(connection, self.ledger)
        report = difference.report(connection, TARGET, OBJECT, options.samples)
        outdated.note(connection, report)
        report.method, report.notes = "records" if report.due else "", self._notes
        if not options.dry_run:
            outdated.mark(connection, self.ledger)
            difference.spool(connection, self._spool, options.limit)
        return report

    def _compute(self, connection: Connection) -> None:
        difference.compute(connection, source(self._run.maps), self.ledger.key, full=self._run.options.full)

    async def send(self, report: TargetReport) -> None:
        """Create what is due: people at the same time, the records of one person one after another.

        Two records of one person may say the same. Were they sent at once, the look-up for one whose answer was lost
        could find the other.
        """
        calls = SingleCalls(self._run, self.ledger, (), self, BATCH, LOST_IN_A_ROW, CONCURRENCY, _person, outdated.kept)
        await calls.send(read(self._spool))
        if self._altered:
            report.notes.append(
                f"the API changed what was sent ({', '.join(sorted(self._altered))}): a record whose answer is lost"
                " may not be recognised"
            )

    async def find(self, item: Item, number: int) -> RowResult | None:
        """After a lost answer, a record that says what this one says and is not in the ledger."""
        return await self._look_for(item) if number else None

    async def _look_for(self, item: Item) -> RowResult | None:
        content, person = _content(item), _person(item)
        async for record in self.client.list(**({"person_id": person} if person else {})):
            if record.id not in self._claimed and fingerprint(said(record)) == content:
                return self._accepted(record.id)
        return None

    async def write(self, item: Item, _: None) -> RowResult:
        """Create one record."""
        try:
            made = await self.client.create(item.payload)
        except BadRequestError as refusal:
            if refusal.status == 409:  # "there is one already": ours, if it says the same
                return await self._look_for(item) or RowResult.refused(CONFLICT, refusal.message)
            return self._refused(item, refusal)
        sent, kept = canonical(item.payload), said(made)
        self._altered.update(name for name in FIELDS if sent[name] != kept[name])
        return self._accepted(made.id, created=True)

    def _refused(self, item: Item, refusal: BadRequestError) -> RowResult:
        """Refused for what it says. So many in a row for one reason are not the records' fault: raises then."""
        # An API may want a date. That concerns those without one alone, and after an upgrade they come in a row.
        wants_date = "completed_at" in refusal.message and item.payload.get("completed_at") is None
        if not wants_date and self._alike.again(refusal.code):
            raise refusal
        return RowResult.refused(refusal.code, refusal.message)

    def _accepted(self, remote_id: str, *, created: bool = False) -> RowResult:
        self._claimed.add(remote_id)
        self._alike = Alike()
        return RowResult(success=True, created=created, remote_id=remote_id, code=None, text=None)


def source(maps: Mapping) -> Source:
    """What records are made of; the payload is the body of a create."""
    kinds = {name: "datetime" if name.endswith("_at") else "" for name in NewLearningRecord.model_fields}
    payload = difference.json_object({name: difference.value_sql(name, kind) for name, kind in kinds.items()})
    return Source(maps.sql(QUERY), payload, f"sql/{QUERY}.sql", create_only=True)


def _person(item: Item) -> str | None:
    """Whose record it is, as the API's filter wants it."""
    value = item.payload.get("person_id")
    return str(value).lower() if value else None


def _content(item: Item) -> str:
    """Fingerprint of what the record says."""
    return fingerprint(canonical(item.payload))
