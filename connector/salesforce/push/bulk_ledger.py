"""Bulk jobs in the push ledger: entered before the upload, settled from the result files, taken up after a kill."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.push.ledger import Ledger
from connector.push.outcomes import STATES, RowResult, classify, final_outcome, tried_again
from connector.salesforce.push.bulk_files import Part
from connector.warehouse.database import Connection
from connector.warehouse.statements import literal, rows_param, statements
from mappings import ErrorRule

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows of a job: worth another try in this run, accepted, not processed; and the code that ends the push."""

    again: int
    accepted: int
    unprocessed: int
    stop: str | None


@dataclass(frozen=True, slots=True)
class Again:
    """Where rows worth another try come from (BulkSpool), and the spool that they are written to."""

    rows: Path
    payloads: Path
    path: Path

    @property
    def paths(self) -> dict[str, str]:
        """The `{{parts}}` of bulk_again.sql."""
        return {name: literal(path) for name, path in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job whose outcome the ledger does not know, and the run that sent it."""

    object: str
    job_id: str
    run_id: str
    sent_at: datetime
    records: int


def open_jobs(connection: Connection, tenant_id: str, org_id: str) -> list[OpenJob]:
    """Jobs that an earlier push left behind, oldest first."""
    found = connection.execute(sql("bulk_open"), {"tenant_id": tenant_id, "org_id": org_id})
    return [OpenJob(*row) for row in found.fetchall()]


class BulkLedger(Ledger):
    """The ledger of one object, as bulk jobs need it. Each method is one transaction."""

    def enter(self, job_id: str, rows: Path, part: Part) -> None:
        """Write the job's id to each of its rows."""
        query = sql("bulk_sent", rows=literal(rows))
        with self.warehouse.transaction() as connection:
            self.write(connection, "ledger_intend", query, part=part.number, job_id=job_id)

    def release(self, job_id: str, code: str, text: str) -> None:
        """Make the rows of a job that came to nothing due again."""
        with self.warehouse.transaction() as connection:
            connection.execute(sql("bulk_release"), self.key | {"job_id": job_id, "code": code, "text": text})

    def settle(
        self,
        job_id: str,
        files: dict[str, Path],
        rules: tuple[ErrorRule, ...],
        *,
        unprocessed: str,
        again: Again | None = None,
    ) -> Settled:
        """Merge the results in `files`; `unprocessed` is the text for rows in none of them."""
        parts = {name: sql("bulk_result_file", file=literal(file)) for name, file in files.items()}
        with self.warehouse.transaction() as connection:
            connection.execute(sql("bulk_results", **parts), self.key | {"job_id": job_id, "unprocessed": unprocessed})
            connection.execute(sql("bulk_outcomes"), {"verdicts": rows_param(_verdicts(connection, rules))})
            settled = Settled(*connection.execute(sql("bulk_settled")).fetchone() or (0, 0, 0, None))
            if again and settled.again:
                connection.execute(sql("bulk_again", **again.paths))
            self.write(connection, "ledger_put", "FROM bulk_outcomes")
            connection.execute("DROP TABLE bulk_outcomes")
            connection.execute("DROP TABLE bulk_results")
        return settled


def _verdicts(connection: Connection, rules: tuple[ErrorRule, ...]) -> list[dict[str, Any]]:
    """What each distinct answer of a job means; `again` where the rows have another try in this run.

    The state is that of a run that ends with the job: rows that get no further try, for there are too many, keep it.
    """
    verdicts = []
    for answer, success, code, text, prior_code in connection.execute(sql("bulk_answers")).fetchall():
        outcome = classify(RowResult(success, False, None, code, text), rules)
        state = STATES[final_outcome(outcome, code, prior_code, 0)]
        again = tried_again(outcome, 0)
        verdicts.append({"answer": answer, "outcome": outcome, "state": state, "again": again})
    return verdicts
