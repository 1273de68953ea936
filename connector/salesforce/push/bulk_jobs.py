"""The calls of one Bulk API 2.0 ingest job, through SalesforceClient: its session, retries and day's budget apply.

Facts: docs/facts/salesforce.md section 3a. A job holds one file; its results are kept for seven days.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

from connector.errors import BadRequestError, LimitError, NotFoundError
from connector.http.answers import Answer
from connector.progress import Progress
from connector.push.reports import Pauses
from connector.salesforce.answers import JOB, READER, JobInfo
from connector.salesforce.client import SalesforceClient
from connector.salesforce.push.bulk_results import extract

log = logging.getLogger(__name__)

# A job is looked at again after a tenth of the time that it has taken: its end is noticed that much later at most.
POLL_GROWTH = 1.1
# Result resource → the name of the file that it is saved to.
RESULTS = {"successfulResults": "successful", "failedResults": "failed"}
_AGAIN = "Run again: the results are asked for anew before anything else is sent, and no row is sent twice."
LONGEST = "LEARNSYNC_LIMITS__JOB_HOURS"


@dataclass(frozen=True, slots=True)
class BulkJobs:
    """Life cycle of ingest jobs that upsert."""

    client: SalesforceClient
    pauses: Pauses

    async def create(self, name: str, key: str) -> JobInfo:
        """Open a job. An answer that was lost leaves an empty job behind, which the org closes after a day."""
        body = {
            "object": name, "operation": "upsert", "externalIdFieldName": key,
            "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
        }  # fmt: skip
        return READER.fit(await self.client.call("POST", self._path(), json=body), JOB)

    async def upload(self, job_id: str, file: Path) -> None:
        """Send the file, which a job takes only once: an attempt that may have arrived is not repeated."""
        await self.client.call("PUT", f"{self._path(job_id)}/batches", upload=file, repeatable=False)

    async def set_state(self, job_id: str, state: str) -> JobInfo:
        """Close (UploadComplete) or abort (Aborted) a job. When it has moved on by itself, that is the answer."""
        try:
            return _info(await self.client.call("PATCH", self._path(job_id), json={"state": state}), job_id)
        except BadRequestError:
            # A repeat after a lost answer is refused: the first attempt has done it.
            info = await self.info(job_id)
            if info is None or info.state == "Open":
                raise
            return info

    async def info(self, job_id: str) -> JobInfo | None:
        """The job, or None when the org has purged it, seven days after its end."""
        try:
            return _info(await self.client.call("GET", self._path(job_id)), job_id)
        except NotFoundError:
            return None

    async def wait(self, job_id: str, rows: int, progress: Progress, waited: float = 0.0) -> JobInfo | None:
        """Poll until the job has ended, reporting its rows as steps. None when the org has purged it.

        `waited` are the seconds since it was sent. Raises LimitError for a job that takes longer than it may, or is in
        a state that nobody documents and so might never end.
        """
        left = self.client.limits.job_hours * 3600 - waited
        deadline, pause, told = time.monotonic() + left, self.pauses.first_poll, 0
        while True:
            info = await self.info(job_id)
            if info is None:
                return None
            done = rows if info.ended else max(told, min(info.numberRecordsProcessed or 0, rows))
            progress.advance(done - told)
            told = done
            if info.ended:
                return info
            if not info.known:
                raise _left(info, "is in a state that the API does not document")
            if time.monotonic() + pause > deadline:
                raise _left(info, f"has not ended after {self.client.limits.job_hours:g} hours ({LONGEST})")
            await asyncio.sleep(pause)
            pause = min(self.pauses.longest_poll, pause * POLL_GROWTH)

    async def download(self, info: JobInfo, folder: Path, key: str) -> dict[str, Path]:
        """Save what the results say of rows: their names in RESULTS → path. Raises ProtocolError for no results.

        What a job did not process needs no file: it is in none of them.
        """
        files = {}
        for resource, name in RESULTS.items():
            file = folder / f"{info.id}-{name}.csv"
            # Results can be read only with the version that the job was made with (409 otherwise).
            answer = await self.client.call("GET", f"{self._path(info.id, info.version)}/{resource}/", sink=file)
            try:
                files[name] = extract(file, key)
            except ValueError as why:
                raise replace(READER, remedy=_AGAIN).error(answer, str(why)) from None
            finally:
                file.unlink(missing_ok=True)
        return files

    def _path(self, job_id: str = "", version: str = "") -> str:
        base = f"/services/data/v{version or self.client.version}/jobs/ingest"
        return f"{base}/{job_id}" if job_id else base


def _info(answer: Answer, job_id: str) -> JobInfo:
    """The job that was asked for. Raises ProtocolError for anything else."""
    info = READER.fit(answer, JOB)
    if info.id[:15] != job_id[:15]:
        raise READER.error(answer, "it is about another job")
    return info


def _left(info: JobInfo, why: str) -> LimitError:
    return LimitError(
        f"Bulk job {info.id} {why}: {info.state}.",
        remedy="Nothing is lost: its rows wait until it ends, is aborted in the org (Setup, Bulk Data Load Jobs), or is"
        " forgotten there after seven days; the next push looks first.",
    )
