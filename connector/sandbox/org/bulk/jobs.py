"""Bulk API 2.0 ingest jobs of the sandbox org: their states, and what becomes of each row.

Rules: docs/facts/salesforce.md section 3a. Work is done when somebody asks for a job's state, one batch of rows per
question, so that a test sees the same states every time. Wordings of job errors are those that users quote.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.sandbox.kit.instants import org_text
from connector.sandbox.org.bulk.csv_files import (
    LINE_ENDINGS,
    BatchError,
    Cells,
    count_rows,
    read_csv,
    record,
    write_csv,
)
from connector.sandbox.org.errors import not_found, refused
from connector.sandbox.org.rows.ids import record_ids
from connector.sandbox.org.schema.model import FieldSchema, ObjectSchema

TERMINAL = frozenset({"JobComplete", "Failed", "Aborted"})
BATCH_ROWS = 10_000
MAX_BYTES = 100_000_000

Upsert = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


@dataclass(slots=True)
class JobRows:
    """The rows of one job: not looked at yet, written, and refused; the latter two behind what came of them."""

    header: Cells = field(default_factory=list)
    waiting: list[Cells] = field(default_factory=list)
    successful: list[Cells] = field(default_factory=list)
    failed: list[Cells] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """One ingest job."""

    id: str
    object: str
    key: str
    version: str
    line_ending: str
    created: str
    created_by: str
    state: str = "Open"
    message: str = ""
    content: bytes | None = None
    rows: JobRows = field(default_factory=JobRows)

    @property
    def processed(self) -> int:
        """Rows done, well or not."""
        return len(self.rows.successful) + len(self.rows.failed)

    def as_dict(self) -> dict[str, Any]:
        """The job as the REST API prints it."""
        out: dict[str, Any] = {
            "id": self.id, "operation": "upsert", "object": self.object, "createdById": self.created_by,
            "createdDate": self.created, "systemModstamp": self.created, "state": self.state,
            "externalIdFieldName": self.key, "concurrencyMode": "Parallel", "contentType": "CSV",
            "apiVersion": float(self.version), "jobType": "V2Ingest", "lineEnding": self.line_ending,
            "columnDelimiter": "COMMA", "numberRecordsProcessed": self.processed,
            "numberRecordsFailed": len(self.rows.failed),
        }  # fmt: skip
        if self.state == "Open":
            out["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        if self.message:
            out["errorMessage"] = self.message
        return out

    def result(self, name: str) -> str:
        """A result resource as CSV."""
        held = self.rows
        if name == "successfulResults":
            return write_csv(["sf__Id", "sf__Created", *held.header], held.successful)
        if name == "failedResults":
            return write_csv(["sf__Id", "sf__Error", *held.header], held.failed)
        return write_csv(held.header, held.waiting if self.state in TERMINAL else [])


class BulkJobs:
    """All jobs of an org. The caller holds the org's lock. `hold` polls find a job not moving."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.jobs: dict[str, Job] = {}
        self.fail_after: int | None = None
        self.hold = 0
        self.batch_rows = BATCH_ROWS
        self.max_bytes = MAX_BYTES
        self.rows_received = 0
        self._now = now
        self._ids = record_ids("750")

    def create(self, schema: ObjectSchema, key: FieldSchema, version: str, line_ending: str, by: str) -> Job:
        """Opens a job."""
        if line_ending not in LINE_ENDINGS:
            raise refused("INVALIDJOB", f"InvalidJob : lineEnding {line_ending} is not supported")
        job = Job(next(self._ids), schema.name, key.name, version, line_ending, org_text(self._now()), by)
        self.jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job:
        """One job; 404 for one that is unknown or purged."""
        if job_id not in self.jobs:
            raise not_found()
        return self.jobs[job_id]

    def purge(self) -> None:
        """Forgets every job, as an org does seven days after their end."""
        self.jobs.clear()

    def upload(self, job: Job, content: bytes) -> None:
        """Takes the file of an open job, once."""
        _expect_open(job)
        if job.content is not None:
            raise refused("INVALIDBATCH", f"InvalidBatch : Found multiple contents for job: <{job.id}>")
        if len(content) > self.max_bytes:
            raise refused("CLIENTINPUTERROR", "ClientInputError : The job's data exceeds the size limit")
        job.content = content
        self.rows_received += count_rows(content)

    def close(self, job: Job, schema: ObjectSchema) -> None:
        """UploadComplete: reads the file; a file that cannot be read fails the job when it is next asked for."""
        _expect_open(job)
        job.state = "UploadComplete"
        try:
            job.rows.header, job.rows.waiting = read_csv(job.content or b"", schema, job.key, job.line_ending)
        except BatchError as fault:
            job.message = str(fault)
        job.content = b""

    def abort(self, job: Job) -> None:
        """Aborted: rows written so far stay."""
        if job.state in TERMINAL:
            raise refused("INVALIDJOBSTATE", f"InvalidJobState : Job is already {job.state}")
        job.state = "Aborted"

    def work(self, job: Job, schema: ObjectSchema, upsert: Upsert) -> None:
        """What happens to a closed job between two polls."""
        if job.state not in {"UploadComplete", "InProgress"}:
            return
        if self.hold:
            self.hold -= 1
            job.state = "InProgress"
        elif job.message:
            job.state = "Failed"
        elif job.state == "UploadComplete":
            job.state = "InProgress"
        else:
            self._batch(job, schema, upsert)

    def _batch(self, job: Job, schema: ObjectSchema, upsert: Upsert) -> None:
        size = self.batch_rows if self.fail_after is None else min(self.batch_rows, self.fail_after)
        rows = job.rows
        batch, rows.waiting = rows.waiting[:size], rows.waiting[size:]
        results = upsert([record(cells, rows.header, schema) for cells in batch])
        for cells, result in zip(batch, results, strict=True):
            if result["success"]:
                rows.successful.append([result["id"], str(result["created"]).lower(), *cells])
            else:
                error = result["errors"][0]
                text = f"{error['statusCode']}:{error['message']}:{', '.join(error['fields'])}--"
                rows.failed.append(["", text, *cells])
        if self.fail_after is not None:
            self.fail_after -= len(batch)
            if self.fail_after <= 0:
                self.fail_after = None
                job.state, job.message = "Failed", "InternalServerError : The job was stopped by an injected fault"
                return
        if not rows.waiting:
            job.state = "JobComplete"


def _expect_open(job: Job) -> None:
    if job.state != "Open":
        raise refused("INVALIDJOBSTATE", f"InvalidJobState : Job is in state {job.state}, not Open")
