"""The org's custom objects, and LearningItemProgress where it is permitted, as targets of the push engine.

Records wait in a spool file and are sent 200 a call, or by Bulk API 2.0 when there are more than
LEARNSYNC_SALESFORCE__BULK_THRESHOLD. Upserts go by external id, so sending a record twice (a kill before its outcome
was written) does no harm.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connector.canonical.match import match
from connector.errors import LearnsyncError, LimitError, PreflightError, ProtocolError
from connector.progress import Silent
from connector.push import difference
from connector.push.difference import Source
from connector.push.engine import Run
from connector.push.ledger import Ledger
from connector.push.reports import PushReport, TargetReport
from connector.push.standing import Standing
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.push import bulk_files
from connector.salesforce.push.bulk import RETRY_LIMIT, BulkPush
from connector.salesforce.push.bulk_files import BulkSpool
from connector.salesforce.push.bulk_ledger import OpenJob, open_jobs
from connector.salesforce.push.collections import CollectionsPush
from connector.salesforce.push.destination import OrgDestination
from connector.salesforce.push.rebuild import READABLE, is_lost, is_unseen, take_over
from connector.salesforce.push.samples import add_changes
from connector.salesforce.readback.contacts import forget_unneeded, spool_keys
from connector.salesforce.readback.people import read_people
from connector.salesforce.readback.read import Checkpoint, Reader, Reading
from connector.salesforce.readback.store import checkpoints, store
from connector.salesforce.targets import ALL_TARGETS, ENROLLMENT, PROGRESS, OrgObject, source, watch
from connector.warehouse.database import Connection, is_there
from mappings import FieldMap

log = logging.getLogger(__name__)

EMPTY_LEDGER = "the ledger of this warehouse was empty and is filled from them"


class OrgObjects(OrgDestination):
    """The objects of one org. Enrollments look up courses, so none is sent where another is not ready."""

    def __init__(self, run: Run, client: SalesforceClient, names: Sequence[str]) -> None:
        self.client, self.names = client, names
        self.targets: list[ObjectTarget] = []
        self._run = run
        self._org_id = ""
        self._left: list[OpenJob] = []
        self._known: dict[str, Checkpoint] = {}
        self._lost: list[ObjectTarget] = []
        self._unsettled: LearnsyncError | None = None
        self._unseen: list[ObjectTarget] = []

    async def preflight(self) -> None:
        """Raises PreflightError with the problems of all targets."""
        objects = [ALL_TARGETS[name] for name in self.names]
        self._org_id = await self.org_id(self._run)
        if PROGRESS in objects:
            await preflight.permit_progress(self.client, self._run.settings)
        problems: list[str] = []
        for target in objects:
            try:
                fields, notes = await preflight.look(self.client, target, self._run.maps)
                self.targets.append(ObjectTarget(self._run, self.client, self._org_id, target, fields))
                self.targets[-1].notes = notes
            except PreflightError as failure:
                problems += failure.problems
            self._run.progress.advance()
        if problems:
            if is_there(self._run.settings):
                with self._run.warehouse.connect():  # another org is refused as such, not for what it lacks
                    pass
            raise PreflightError(problems, remedy=preflight.REMEDY)

    def look_back(self, connection: Connection) -> None:
        """The bulk jobs that an earlier push was killed over, whatever this one is to send, and what was read of it."""
        self._left = open_jobs(connection, self._run.settings.tenant_id, self._org_id)
        self._known = checkpoints(connection, self._run.settings.tenant_id)
        self._lost = [target for target in self.targets if is_lost(connection, target.ledger)]
        self._unseen = [target for target in self.targets if is_unseen(connection, target.ledger)]
        for target in self._lost:
            target.lost = True

    async def resume(self) -> list[str]:
        """Bring in the results of these jobs. An object whose job has none yet is left out of this push."""
        taken_up = []
        for job in self._left:
            target = next(target for target in ALL_TARGETS.values() if target.object == job.object)
            try:
                await BulkPush.of(self._run, self.client, self._org_id, target, job.run_id).resume(job)
                taken_up.append(job.job_id)
            except (LimitError, ProtocolError) as failure:
                log.warning("%s is not pushed: %s", job.object, failure)
                self._unsettled = self._unsettled or failure
                self.targets = [one for one in self.targets if one.object != job.object]
        return taken_up

    def unsettled(self) -> LearnsyncError | None:
        """Why an object was left out of this push."""
        return self._unsettled

    async def before_plan(self) -> Callable[[Connection, PushReport], None] | None:
        """Read people and match learners to them, where a target names people and the push is not part of a sync.

        Where the ledger of an object is empty, or says nothing of what the org has, its records there are read too.
        """
        run, tenant = self._run, self._run.settings.tenant_id
        keys = self._look_before(run)
        reader = Reader(self.client, self._known, run.folder, Silent())
        people = await self._people(reader, keys)
        own = [
            (target, await reader.read(READABLE[target.object], fields=target.fields))
            for target in [*self._lost, *self._unseen]
        ]

        def keep(connection: Connection, report: PushReport) -> None:
            for reading in people:
                store(connection, reading, tenant, run.run_id)
            if people:
                forget_unneeded(connection, run.maps, tenant)
                matches = match(connection, run.maps, tenant)
                report.learners, report.notes = matches.learners, matches.notes
            for target, reading in own:
                if target in self._lost:
                    target.taken_over = take_over(connection, target.ledger, reading, target.source, target.file)
                else:
                    store(connection, reading, tenant, run.run_id)

        return keep if people or own else None

    def _look_before(self, run: Run) -> Path | None:
        """The addresses and keys of learners in a file, where people are to be read; a dry run looks back here too."""
        matched = run.options.match and bool({ENROLLMENT.name, PROGRESS.name} & set(self.names))
        if not matched and not run.options.dry_run:
            return None
        with run.warehouse.connect() as connection:
            if run.options.dry_run:
                self.look_back(connection)
            return spool_keys(connection, run.maps, run.settings.tenant_id, run.folder) if matched else None

    async def _people(self, reader: Reader, keys: Path | None) -> list[Reading]:
        if keys is None:
            return []
        self._run.progress.stage("learners")
        return await read_people(reader, self._run.maps, keys)

    async def preview(self, reports: Sequence[TargetReport]) -> None:
        """The org's own values beside those that would be sent."""
        for target, report in zip(self.targets, reports, strict=True):
            await add_changes(self.client, target.spec, target.fields, report.samples)


class ObjectTarget:
    """One object of the org."""

    def __init__(
        self, run: Run, client: SalesforceClient, org_id: str, spec: OrgObject, fields: tuple[FieldMap, ...]
    ) -> None:
        self.name, self.object, self.spec, self.fields = spec.name, spec.object, spec, fields
        self.notes: list[str] = []
        self.watch = watch(spec, fields)
        self._run = run
        self._client = client
        self._bulk = BulkPush.of(run, client, org_id, spec)
        self.ledger: Ledger = self._bulk.ledger
        self._spool: Path = run.folder / f"{spec.name}.ndjson"
        self.file = run.folder / f"{spec.name}-pushable.parquet"
        self._jobs: BulkSpool | None = None
        self.standing: Standing | None = None
        self.taken_over = 0  # records of an empty ledger that the org has
        self.lost = False  # the ledger was empty when this push began

    @property
    def source(self) -> Source:
        """What the records are made of."""
        return source(self.spec, self.fields, self._run.maps, self._run.settings)

    def plan(self, connection: Connection) -> TargetReport:
        """The difference, and the records that are due in a spool file or in those of bulk jobs."""
        run = self._run
        whole, rest = self._begin(connection)
        source, key = self.source, self.ledger.key
        difference.compute(connection, source, key, full=run.options.full, whole=whole, file=self.file)
        report = difference.report(connection, self.name, self.object, run.options.samples, rest)
        if self.standing and not whole:
            report.compared = self.standing.looked_at
        if self.taken_over:
            report.notes.append(f"{self.taken_over:,} records were in the org already: {EMPTY_LEDGER}")
        report.method = self._method(run.options.within_limit(report.due))
        report.notes += self.notes
        if not run.options.dry_run:
            self._keep(connection, report.method)
        return report

    def _begin(self, connection: Connection) -> tuple[bool, Mapping[str, int]]:
        """Whether all records are to be looked at, and what is known of the others. A person who looks sees all."""
        if self.spec is not ENROLLMENT or self._run.options.dry_run:
            return True, {}
        self.standing = Standing(self.ledger, self.source)
        self.standing.begin(connection, full=self._run.options.full or self.lost, samples=self._run.options.samples)
        return self.standing.whole, self.standing.rest(connection)

    def _method(self, records: int) -> str:
        # Collections cost a call per 200 records, a bulk job about ten calls and some waiting, whatever its size.
        if not records:
            return ""
        few = records <= self._run.settings.salesforce.bulk_threshold or self.spec.update_only
        return "collections" if few else "bulk"

    def _keep(self, connection: Connection, method: str) -> None:
        limit = self._run.options.limit
        if method == "bulk":
            self._jobs = bulk_files.write(connection, self.file, self.spec, self.fields, limit)
        elif method == "collections":
            difference.spool(connection, self._spool, limit)

    async def send(self, report: TargetReport) -> None:
        """By collections; or as bulk jobs, and then by collections the rows that met a lock, if they are few."""
        collections = CollectionsPush(self._run, self._client, self.ledger, self.spec)
        if self._jobs is None:
            await collections.send(self._spool)
            return
        again: dict[str, int] = {}
        for part in self._jobs.parts:
            job_id, rows = await self._bulk.send(self._jobs, part)
            report.jobs.append(job_id)
            again[job_id] = rows
        for job_id, rows in again.items():
            if rows and sum(again.values()) <= RETRY_LIMIT:
                self._run.progress.stage(f"{self.object} again", rows)
                await collections.send(self._bulk.again(job_id), tries=1)
