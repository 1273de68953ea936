"""One target by Bulk API 2.0: job by job, each in the ledger before its upload; and jobs a killed push left behind.

Jobs go one after another: two at once on one object would meet each other's locks on the same parents
(docs/facts/salesforce.md section 3e).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from connector.errors import ApiError, IncompleteError, LearnsyncError, UnreachableError
from connector.progress import Progress
from connector.salesforce.push.bulk_files import BulkSpool, Part
from connector.salesforce.push.bulk_jobs import BulkJobs, JobInfo
from connector.salesforce.push.bulk_ledger import BulkLedger, OpenJob, Tally
from connector.salesforce.targets import TARGETS, Target
from mappings import ErrorRule

log = logging.getLogger(__name__)

# A job takes one upload; after a lost connection the same rows go in a new job.
UPLOAD_ATTEMPTS = 3
# More rows than this that met a lock wait for the next push, which sends them in bulk again.
RETRY_LIMIT = 2_000


@dataclass(slots=True)
class JobOutcome:
    """One finished job of this push. `again` spools the rows to try by collections; their tally is not final."""

    job_id: str
    rows: int
    tally: Tally
    again: Path | None = None
    stopped: LearnsyncError | None = None


@dataclass(slots=True)
class _Counted:
    """Progress of one job: what the org says is processed, told as steps."""

    progress: Progress
    rows: int
    told: int = 0

    def seen(self, processed: int) -> None:
        steps = max(0, min(processed, self.rows) - self.told)
        self.told += steps
        self.progress.advance(steps)


@dataclass(slots=True)
class BulkPush:
    """Runs bulk jobs and keeps their outcomes in the ledger."""

    jobs: BulkJobs
    ledger: BulkLedger
    rules: tuple[ErrorRule, ...]
    folder: Path
    progress: Progress
    resumed: list[str] = field(default_factory=list)

    # -- jobs of an earlier push ---------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Learn what became of every job that the ledger is still waiting for, before a difference is computed."""
        for job in self.ledger.open_jobs():
            self.resumed.append(job.job_id)
            self.progress.stage(f"bulk job {job.job_id}", job.records)
            await self._resume(job)

    async def _resume(self, job: OpenJob) -> None:
        info = await self.jobs.info(job.job_id)
        if info is not None and info.state == "Open":
            # How much of the upload arrived cannot be asked; nothing of it has been processed.
            info = await self.jobs.set_state(job.job_id, "Aborted")
            if info.state == "Aborted":
                log.info("bulk job %s was never closed: aborted, its %d rows are due", job.job_id, job.records)
                self.ledger.release(job.object, job.job_id, "ABORTED", "the job was aborted before its upload ended")
                return
        if info is not None:
            info = await self.jobs.wait(job.job_id, _Counted(self.progress, job.records).seen)
        if info is None:
            log.info("the org no longer knows bulk job %s: its %d rows are due", job.job_id, job.records)
            self.ledger.release(job.object, job.job_id, "PURGED", "the org no longer knows the job")
            return
        key = next(target.key for target in TARGETS.values() if target.object == job.object)
        await self._settle(info, job.object, key)
        log.info("bulk job %s of an earlier push: %s, its results are in the ledger", info.id, info.state)

    # -- jobs of this push ---------------------------------------------------------------------------------------

    async def send(self, target: Target, spool: BulkSpool, part: Part) -> JobOutcome:
        """Carry one part through. The file is removed once the job is closed."""
        job_id = await self._upload(target, spool, part)
        counted = _Counted(self.progress, part.rows)
        info = await self.jobs.wait(job_id, counted.seen)
        if info is None:
            self.ledger.release(target.object, job_id, "PURGED", "the org no longer knows the job")
            raise IncompleteError(f"The org no longer knows bulk job {job_id}, which it was just given.")
        counted.seen(part.rows)
        again = self.folder / f"{job_id}-again.ndjson"
        tally = await self._settle(info, target.object, target.key, (spool.rows, again))
        outcome = JobOutcome(job_id, part.rows, tally, again if again.exists() else None)
        outcome.stopped = _stop(target, info, tally)
        return outcome

    async def _upload(self, target: Target, spool: BulkSpool, part: Part) -> str:
        for attempt in range(1, UPLOAD_ATTEMPTS + 1):
            job = await self.jobs.create(target.object, target.key)
            self.ledger.enter(target.object, job.id, spool.rows, part)
            log.info("bulk job %s: %d rows, %d bytes", job.id, part.rows, part.file.stat().st_size)
            try:
                await self.jobs.upload(job.id, part.file)
            except (UnreachableError, ApiError) as failure:
                await self._give_up(target, job, failure)
                if attempt == UPLOAD_ATTEMPTS or not _passing(failure):
                    raise
                continue
            await self.jobs.set_state(job.id, "UploadComplete")
            part.file.unlink()
            return job.id
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def _give_up(self, target: Target, job: JobInfo, failure: LearnsyncError) -> None:
        """Abort a job whose upload failed. Where even that fails, the next push finds it in the ledger."""
        log.warning("the upload of bulk job %s failed: %s", job.id, failure.message)
        try:
            info = await self.jobs.set_state(job.id, "Aborted")
        except LearnsyncError as second:
            raise failure from second
        if info.state == "Aborted":
            self.ledger.release(target.object, job.id, "ABORTED", "the upload failed")

    async def _settle(self, info: JobInfo, name: str, key: str, again: tuple[Path, Path] | None = None) -> Tally:
        """Results into the ledger. A job that failed keeps what it had processed, so its results count too."""
        files = await self.jobs.download(info, self.folder)
        said = f": {info.message}" if info.message else ""
        unprocessed = f"not processed by bulk job {info.id} ({info.state}{said})"
        try:
            return self.ledger.settle(name, key, info.id, files, self.rules, unprocessed=unprocessed, again=again)
        finally:
            for file in files.values():
                file.unlink(missing_ok=True)


def _passing(failure: LearnsyncError) -> bool:
    return isinstance(failure, UnreachableError) or (isinstance(failure, ApiError) and failure.status >= 500)


def _stop(target: Target, info: JobInfo, tally: Tally) -> LearnsyncError | None:
    """Why no further job may follow this one, if so."""
    if tally.stop:
        return IncompleteError(
            f"The org refuses {target.object} records: {tally.stop}, in bulk job {info.id}.",
            remedy="This needs an admin of the org; what was not pushed stays due.",
        )
    if info.state != "JobComplete":
        return IncompleteError(
            f"Bulk job {info.id} of {target.object} ended as {info.state}: {info.message or 'no reason given'}."
            f" {tally.outcomes['accepted']:,} rows were accepted,"
            f" {tally.errors['defer', 'UNPROCESSED']:,} not processed.",
            remedy="What was not pushed stays due: run again.",
        )
    return None
