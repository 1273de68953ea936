"""Bulk API 2.0 ingest jobs of the sandbox org: their states, their CSV, and what becomes of each row.

Rules: docs/facts/salesforce.md section 3a. Work is done when somebody asks how a job is getting on, one batch of rows
per question, so that a test sees the same states every time. Wordings of job errors are those that users quote.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .org_errors import RequestError
from .org_ids import record_ids
from .org_schema import FieldSchema, ObjectSchema
from .org_values import format_datetime

TERMINAL = frozenset({"JobComplete", "Failed", "Aborted"})
BATCH_ROWS = 10_000
MAX_BYTES = 100_000_000
_ENDS = {"LF": "\n", "CRLF": "\r\n"}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}

Cells = list[str]
Upsert = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


class BatchError(Exception):
    """A file that no row can be read from; the job fails with this message."""


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
    header: Cells = field(default_factory=list)
    waiting: list[Cells] = field(default_factory=list)
    successful: list[Cells] = field(default_factory=list)
    failed: list[Cells] = field(default_factory=list)
    polls: int = 0

    @property
    def processed(self) -> int:
        """Rows done, well or not."""
        return len(self.successful) + len(self.failed)

    def as_dict(self) -> dict[str, Any]:
        """The job as the REST API prints it."""
        out: dict[str, Any] = {
            "id": self.id, "operation": "upsert", "object": self.object, "createdById": self.created_by,
            "createdDate": self.created, "systemModstamp": self.created, "state": self.state,
            "externalIdFieldName": self.key, "concurrencyMode": "Parallel", "contentType": "CSV",
            "apiVersion": float(self.version), "jobType": "V2Ingest", "lineEnding": self.line_ending,
            "columnDelimiter": "COMMA", "numberRecordsProcessed": self.processed,
            "numberRecordsFailed": len(self.failed),
        }  # fmt: skip
        if self.state == "Open":
            out["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        if self.message:
            out["errorMessage"] = self.message
        return out

    def result(self, name: str) -> str:
        """A result resource as CSV, in an order that is not that of the upload."""
        columns, rows = {
            "successfulResults": (["sf__Id", "sf__Created", *self.header], self.successful),
            "failedResults": (["sf__Id", "sf__Error", *self.header], self.failed),
            "unprocessedrecords": (self.header, self.waiting if self.state in TERMINAL else []),
        }["unprocessedrecords" if name.lower() == "unprocessedrecords" else name]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(sorted(rows, key=lambda cells: zlib.crc32("".join(cells).encode())))
        return text.getvalue()


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
        if line_ending not in _ENDS:
            raise RequestError(400, "INVALIDJOB", f"InvalidJob : lineEnding {line_ending} is not supported")
        job = Job(next(self._ids), schema.name, key.name, version, line_ending, format_datetime(self._now()), by)
        self.jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job:
        """One job; 404 for one that is unknown or purged."""
        if job_id not in self.jobs:
            raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
        return self.jobs[job_id]

    def purge(self) -> None:
        """Forgets every job, as an org does seven days after their end."""
        self.jobs.clear()

    def upload(self, job: Job, content: bytes) -> None:
        """Takes the file of an open job, once."""
        if job.state != "Open":
            raise RequestError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job is in state {job.state}, not Open")
        if job.content is not None:
            raise RequestError(400, "INVALIDBATCH", f"InvalidBatch : Found multiple contents for job: <{job.id}>")
        if len(content) > self.max_bytes:
            raise RequestError(400, "CLIENTINPUTERROR", "ClientInputError : The job's data exceeds the size limit")
        job.content = content
        self.rows_received += max(0, sum(1 for _ in csv.reader(io.StringIO(content.decode("utf-8", "replace")))) - 1)

    def close(self, job: Job, schema: ObjectSchema) -> None:
        """UploadComplete: reads the file; a file that cannot be read fails the job when it is next asked for."""
        if job.state != "Open":
            raise RequestError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job is in state {job.state}, not Open")
        job.state = "UploadComplete"
        try:
            job.header, job.waiting = read_csv(job.content or b"", schema, job.key, job.line_ending)
        except BatchError as fault:
            job.message = str(fault)
        job.content = b""

    def abort(self, job: Job) -> None:
        """Aborted: rows written so far stay."""
        if job.state in TERMINAL:
            raise RequestError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job is already {job.state}")
        job.state = "Aborted"

    def work(self, job: Job, schema: ObjectSchema, upsert: Upsert) -> None:
        """What happens to a closed job between two polls."""
        job.polls += 1
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
        batch, job.waiting = job.waiting[:size], job.waiting[size:]
        results = upsert([record(cells, job.header, schema) for cells in batch])
        for cells, result in zip(batch, results, strict=True):
            if result["success"]:
                job.successful.append([result["id"], str(result["created"]).lower(), *cells])
            else:
                job.failed.append(["", _error_text(result["errors"][0]), *cells])
        if self.fail_after is not None:
            self.fail_after -= len(batch)
            if self.fail_after <= 0:
                self.fail_after = None
                job.state, job.message = "Failed", "InternalServerError : The job was stopped by an injected fault"
                return
        if not job.waiting:
            job.state = "JobComplete"


def read_csv(content: bytes, schema: ObjectSchema, key: str, line_ending: str) -> tuple[Cells, list[Cells]]:
    """Header and rows. Raises BatchError; of several unknown columns only the first is named."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise BatchError("InvalidBatch : The file is not UTF-8") from fault
    first = text.partition("\n")[0]
    if text and first.endswith("\r") != (line_ending == "CRLF"):
        raise BatchError(
            f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {line_ending}"
        )
    try:
        lines = list(_rows(text))
    except csv.Error as fault:
        raise BatchError(f"InvalidBatch : The file is not valid CSV: {fault}") from fault
    if not lines:
        return [], []
    header, *rows = lines
    for name in header:
        if not _known(schema, name):
            raise BatchError(f"InvalidBatch : Field name not found : {name}")
    if key.lower() not in {name.lower() for name in header}:
        raise BatchError(f"InvalidBatch : The external id {key} is not among the columns")
    if any(len(row) != len(header) for row in rows):
        raise BatchError("InvalidBatch : The number of values in a row is not that of the header")
    return header, rows


def _rows(text: str) -> Iterator[Cells]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    return (row for row in reader if row)


def _known(schema: ObjectSchema, name: str) -> bool:
    relation, dot, _ = name.partition(".")
    return relation.lower() in (schema.relationships if dot else schema.fields)


def record(cells: Cells, header: Cells, schema: ObjectSchema) -> dict[str, Any]:
    """A row as the record it means: an empty cell says nothing, `#N/A` says null, text becomes the field's type."""
    found: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if cell == "":
            continue
        value = None if cell == "#N/A" else cell
        relation, dot, parent_key = name.partition(".")
        if dot:
            found[relation] = None if value is None else {parent_key: value}
        else:
            found[name] = _typed(schema.fields[name.lower()], value)
    return found


def _typed(schema: FieldSchema, value: str | None) -> Any:
    if value is None:
        return None
    if schema.type == "boolean":
        return _TRUTH.get(value.lower(), value)
    if schema.type in {"double", "percent"}:
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _error_text(error: Mapping[str, Any]) -> str:
    return f"{error['statusCode']}:{error['message']}:{', '.join(error['fields'])}--"
