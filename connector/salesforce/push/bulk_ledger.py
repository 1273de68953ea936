"""Bulk jobs in the push ledger: entered before the upload, settled from the result files, taken up after a kill."""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from connector.push.outcomes import TRIES_AGAIN
from connector.salesforce.push.bulk_files import Part, quoted
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import statements
from mappings import ErrorRule

sql = statements(__package__)

log = logging.getLogger(__name__)

_NULL = "CAST(NULL AS VARCHAR)"
_NOTHING = f"SELECT {_NULL} AS external_id, {_NULL} AS salesforce_id, {_NULL} AS created, {_NULL} AS error WHERE false"


@dataclass(slots=True)
class Tally:
    """What became of a job's rows: per outcome, per error code of those not accepted, and records made."""

    outcomes: Counter[str] = field(default_factory=Counter)
    # (outcome, code) → rows
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    created: int = 0
    stop: str = ""

    @property
    def again(self) -> int:
        """Rows that have another try in this run."""
        return sum(self.outcomes[outcome] for outcome in TRIES_AGAIN)


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job whose outcome the ledger does not know."""

    object: str
    job_id: str
    records: int


class BulkLedger:
    """The ledger of one tenant and org, as bulk jobs need it. Each method is one transaction."""

    def __init__(self, warehouse: Warehouse, tenant_id: str, org_id: str, run_id: str) -> None:
        self._warehouse = warehouse
        self._names = {"tenant_id": tenant_id, "org_id": org_id}
        self._run_id = run_id

    def open_jobs(self) -> list[OpenJob]:
        """Jobs that an earlier push left behind, oldest first."""
        with self._warehouse.connect() as connection:
            return [OpenJob(*row) for row in connection.execute(sql("bulk_open"), self._names).fetchall()]

    def enter(self, name: str, job_id: str, rows: Path, part: Part) -> None:
        """Write the job's id to each of its rows."""
        with self._warehouse.transaction() as connection:
            connection.execute(
                sql("bulk_sent", rows=quoted(rows)),
                self._job(name, job_id) | {"part": part.number, "now": utc_now(), "run_id": self._run_id},
            )

    def release(self, name: str, job_id: str, code: str, text: str) -> None:
        """Make the rows of a job that came to nothing due again."""
        with self._warehouse.transaction() as connection:
            connection.execute(sql("bulk_release"), self._job(name, job_id) | {"code": code, "text": text})

    def settle(
        self,
        name: str,
        key: str,
        job_id: str,
        files: dict[str, Path],
        rules: tuple[ErrorRule, ...],
        *,
        unprocessed: str,
        again: tuple[Path, Path] | None = None,
    ) -> Tally:
        """Merge the result files; `unprocessed` is the text for rows in none of them.

        `again` is (rows file, spool): where rows worth another try come from and are spooled to.
        """
        with self._warehouse.transaction() as connection:
            query = sql(
                "bulk_outcomes",
                successful=result_sql(files["successful"], key),
                failed=result_sql(files["failed"], key),
            )
            numbered = [{"number": number, **asdict(rule)} for number, rule in enumerate(rules)]
            values = {"rules": json.dumps(numbered), "unprocessed": unprocessed}
            connection.execute(query, self._job(name, job_id) | values)
            tally = _tally(connection)
            if again and tally.again:
                connection.execute(sql("bulk_again", rows=quoted(again[0]), path=quoted(again[1])))
            when: dict[str, Any] = {"object": name, "now": utc_now(), "run_id": self._run_id}
            connection.execute(sql("bulk_settle"), self._names | when)
            connection.execute("DROP TABLE bulk_outcomes")
        return tally

    def _job(self, name: str, job_id: str) -> dict[str, Any]:
        return self._names | {"object": name, "job_id": job_id}


def result_sql(file: Path, key: str) -> str:
    """A query over a result file. An empty one (204, or no body) has no rows."""
    header = _header(file)
    if not header:
        return _NOTHING
    # Letter case of a header may differ from what was sent; duplicates cannot occur.
    named = {name.lower(): number for number, name in enumerate(header)}
    if key.lower() not in named:
        # A job that could not read its file repeats no columns. Rows without a result are due again, which is harmless.
        log.warning("a result file without the column %s is left aside: %s", key, ",".join(header)[:200])
        return _NOTHING

    def column(name: str) -> str:
        return f"c{named[name.lower()]}" if name.lower() in named else _NULL

    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(header)))
    return (
        f"SELECT {column(key)} AS external_id, {column('sf__Id')} AS salesforce_id,"
        f" lower({column('sf__Created')}) AS created, {column('sf__Error')} AS error"
        # Nothing is guessed, and one thread reads: a quoted value may span lines.
        f" FROM read_csv('{quoted(file)}', columns = {{{columns}}}, header = true, auto_detect = false, delim = ',',"
        " quote = '\"', escape = '\"', parallel = false, max_line_size = 16000000)"
    )


def _header(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines), [])


def _tally(connection: Connection) -> Tally:
    tally = Tally()
    rows = connection.execute(
        "SELECT outcome, code, count(*), count(*) FILTER (WHERE created), any_value(text)"
        " FROM bulk_outcomes GROUP BY 1, 2"
    ).fetchall()
    for outcome, code, count, created, text in rows:
        tally.outcomes[outcome] += count
        tally.created += created
        if outcome != "accepted":
            tally.errors[outcome, code or "UNKNOWN"] += count
        if outcome == "stop":
            tally.stop = f"{code} ({text})"
    return tally
