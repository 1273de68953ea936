"""One object by Bulk API 2.0: job by job, each in the ledger before its upload; and jobs a killed push left behind.

Jobs go one after another: two at once on one object would meet each other's locks on the same parents
(docs/facts/salesforce.md section 3e).
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from connector.errors import ApiError, IncompleteError, LearnsyncError, LimitError, UnreachableError
from connector.push.engine import Run
from connector.push.outcomes import stop_error
from connector.salesforce.answers import JobInfo
from connector.salesforce.client import SalesforceClient
from connector.salesforce.push.bulk_files import BulkSpool, Part
from connector.salesforce.push.bulk_jobs import BulkJobs
from connector.salesforce.push.bulk_ledger import Again, BulkLedger, OpenJob, Settled
from connector.salesforce.targets import OrgObject
from connector.times import utc_now

log = logging.getLogger(__name__)

# A job takes one upload; after a lost connection the same rows go in a new job.
UPLOAD_ATTEMPTS = 3
# More rows than this that met a lock wait for the next push, which sends them in bulk again.
RETRY_LIMIT = 2_000


@dataclass(slots=True)
class BulkPush:
    """Runs the bulk jobs of one object and keeps their outcomes in the ledger."""

    run: Run
    jobs: BulkJobs
    ledger: BulkLedger
    target: OrgObject

    @classmethod
    def of(cls, run: Run, client: SalesforceClient, org_id: str, target: OrgObject, sent_by: str = "") -> Self:
        """The bulk jobs of one object of an org. Their rows stay those of the run `sent_by`, if it was another one."""
        ledger = BulkLedger(run.warehouse, run.settings.tenant_id, org_id, target.object, sent_by or run.run_id)
        return cls(run, BulkJobs(client, run.options.pauses), ledger, target)

    async def resume(self, job: OpenJob) -> None:
        """Learn what became of a job of an earlier push, before a difference is computed."""
        self.run.progress.stage(f"bulk job {job.job_id}", job.records)
        info = await self.jobs.info(job.job_id)
        if info is not None and info.state == "Open":
            # How much of the upload arrived cannot be asked; nothing of it has been processed.
            info = await self.jobs.set_state(job.job_id, "Aborted")
            if info.state == "Aborted":
                log.info("bulk job %s was never closed: aborted, its %d rows are due", job.job_id, job.records)
                self.ledger.release(job.job_id, "ABORTED", "the job was aborted before its upload ended")
                return
        if info is not None:
            waited = (utc_now() - job.sent_at).total_seconds()
            info = await self.jobs.wait(job.job_id, job.records, self.run.progress, waited)
        if info is None:
            log.info("the org no longer knows bulk job %s: its %d rows are due", job.job_id, job.records)
            self.ledger.release(job.job_id, "PURGED", "the org no longer knows the job")
            return
        await self._settle(info)
        log.info("bulk job %s of an earlier push: %s, its results are in the ledger", info.id, info.state)

    async def send(self, spool: BulkSpool, part: Part) -> tuple[str, int]:
        """Carry one part through; its file is removed once the job is closed. Returns (job's id, rows in `again`).

        Raises IncompleteError, its outcomes recorded, where no further job may follow.
        """
        job_id = await self._upload(spool, part)
        info = await self.jobs.wait(job_id, part.rows, self.run.progress)
        if info is None:
            self.ledger.release(job_id, "PURGED", "the org no longer knows the job")
            raise IncompleteError(f"The org no longer knows bulk job {job_id}, which it was just given.")
        settled = await self._settle(info, Again(spool.rows, spool.payloads, self.again(job_id)))
        self._check(info, settled)
        return job_id, settled.again

    def again(self, job_id: str) -> Path:
        """The spool of a job's rows that have another try in this run, by collections."""
        return self.run.folder / f"{job_id}-again.ndjson"

    async def _upload(self, spool: BulkSpool, part: Part) -> str:
        for attempt in range(1, UPLOAD_ATTEMPTS + 1):
            job = await self.jobs.create(self.target.object, self.target.key)
            self.ledger.enter(job.id, spool.rows, part)
            log.info("bulk job %s: %d rows, %d bytes", job.id, part.rows, part.file.stat().st_size)
            try:
                await self.jobs.upload(job.id, part.file)
            except (UnreachableError, LimitError, ApiError) as failure:
                await self._give_up(job, failure)
                passing = not isinstance(failure, ApiError) or failure.status >= 500
                if attempt == UPLOAD_ATTEMPTS or not passing:
                    raise
                continue
            await self.jobs.set_state(job.id, "UploadComplete")
            part.file.unlink()
            return job.id
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def _give_up(self, job: JobInfo, failure: LearnsyncError) -> None:
        """Abort a job whose upload failed. Where even that fails, the next push finds it in the ledger."""
        log.warning("the upload of bulk job %s failed: %s", job.id, failure.message)
        try:
            info = await self.jobs.set_state(job.id, "Aborted")
        except LearnsyncError as second:
            raise failure from second
        if info.state == "Aborted":
            self.ledger.release(job.id, "ABORTED", "the upload failed")

    async def _settle(self, info: JobInfo, again: Again | None = None) -> Settled:
        """Results into the ledger. A job that failed keeps what it had processed, so its results count too."""
        files = await self.jobs.download(info, self.run.folder, self.target.key)
        said = f": {info.message}" if info.message else ""
        unprocessed = f"not processed by bulk job {info.id} ({info.state}{said})"
        try:
            return self.ledger.settle(info.id, files, self.run.maps.errors, unprocessed=unprocessed, again=again)
        finally:
            for file in files.values():
                file.unlink(missing_ok=True)

    def _check(self, info: JobInfo, settled: Settled) -> None:
        if settled.stop:
            raise stop_error(self.target.object, f"{settled.stop}, in bulk job {info.id}")
        if info.state != "JobComplete":
            reason = info.message or "no reason given"
            raise IncompleteError(
                f"Bulk job {info.id} of {self.target.object} ended as {info.state}: {reason}."
                f" {settled.accepted:,} rows were accepted, {settled.unprocessed:,} not processed.",
                remedy="What was not pushed stays due: run again.",
            )
