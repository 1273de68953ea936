"""The calls of one Bulk API 2.0 ingest job, through SalesforceClient: its session, retries and day's budget apply.

Facts: docs/facts/salesforce.md section 3a. A job holds one file; its results are kept for seven days.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from connector.errors import BadRequestError, IncompleteError, NotFoundError
from connector.http.answers import Answer, Reader
from connector.progress import Progress
from connector.push.reports import Pauses
from connector.salesforce.client import SalesforceClient

log = logging.getLogger(__name__)

TERMINAL = frozenset({"JobComplete", "Failed", "Aborted"})
POLL_GROWTH = 1.25
# Result resource → the name of the file that it is saved to.
RESULTS = {"successfulResults": "successful", "failedResults": "failed", "unprocessedrecords": "unprocessed"}
READER = Reader("answered with something that is not a job")


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as the org describes it."""

    id: str
    state: str
    version: str
    processed: int
    message: str

    @property
    def ended(self) -> bool:
        """True when nothing will change any more."""
        return self.state in TERMINAL


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
        return _info(await self.client.call("POST", self._path(), json=body))

    async def upload(self, job_id: str, file: Path) -> None:
        """Send the file, which a job takes only once: an attempt that may have arrived is not repeated."""
        await self.client.call("PUT", f"{self._path(job_id)}/batches", upload=file, repeatable=False)

    async def set_state(self, job_id: str, state: str) -> JobInfo:
        """Close (UploadComplete) or abort (Aborted) a job. When it has moved on by itself, that is the answer."""
        try:
            return _info(await self.client.call("PATCH", self._path(job_id), json={"state": state}))
        except BadRequestError:
            # A repeat after a lost answer is refused: the first attempt has done it.
            info = await self.info(job_id)
            if info is None or info.state == "Open":
                raise
            return info

    async def info(self, job_id: str) -> JobInfo | None:
        """The job, or None when the org has purged it, seven days after its end."""
        try:
            return _info(await self.client.call("GET", self._path(job_id)))
        except NotFoundError:
            return None

    async def wait(self, job_id: str, rows: int, progress: Progress) -> JobInfo | None:
        """Poll until the job has ended, reporting its rows as steps. Raises IncompleteError past the limit.

        None when the org has purged the job.
        """
        deadline, pause, told = time.monotonic() + self.pauses.longest_job, self.pauses.first_poll, 0
        while True:
            info = await self.info(job_id)
            if info is None:
                return None
            done = rows if info.ended else max(told, min(info.processed, rows))
            progress.advance(done - told)
            told = done
            if info.ended:
                return info
            if time.monotonic() + pause > deadline:
                raise IncompleteError(
                    f"Bulk job {job_id} is still {info.state} after {self.pauses.longest_job / 3600:g} hours.",
                    remedy="Nothing is lost: the next push waits for this job before it sends anything.",
                )
            await asyncio.sleep(pause)
            pause = min(self.pauses.longest_poll, pause * POLL_GROWTH)

    async def download(self, info: JobInfo, folder: Path) -> dict[str, Path]:
        """Save the three results as files: their names in RESULTS → path."""
        files = {}
        for resource, name in RESULTS.items():
            files[name] = folder / f"{info.id}-{name}.csv"
            # Results can be read only with the version that the job was made with (409 otherwise).
            await self.client.call("GET", f"{self._path(info.id, info.version)}/{resource}/", sink=files[name])
        return files

    def _path(self, job_id: str = "", version: str = "") -> str:
        base = f"/services/data/v{version or self.client.version}/jobs/ingest"
        return f"{base}/{job_id}" if job_id else base


def _info(answer: Answer) -> JobInfo:
    document = READER.object(answer)
    try:
        return JobInfo(
            id=str(document["id"]),
            state=str(document["state"]),
            version=f"{float(document['apiVersion']):.1f}" if document.get("apiVersion") else "",
            processed=int(document.get("numberRecordsProcessed") or 0),
            message=str(document.get("errorMessage") or document.get("stateMessage") or ""),
        )
    except (ValueError, KeyError, TypeError):
        raise READER.error(answer) from None
