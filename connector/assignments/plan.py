"""Compares the assignments that were read with what the warehouse knows: which are due, and why the others are not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.assignments.ledger import Assignment
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Plan:
    """`outcomes`: assignments by outcome; `samples`: some of each; `due`: those to enroll, in their order."""

    outcomes: dict[str, int]
    samples: list[dict[str, Any]]
    due: list[Assignment]


def make_plan(connection: Connection, asked: Path, tenant_id: str, org_id: str, *, retry: bool, samples: int) -> Plan:
    """Decide about each line {assignment_id, learner, course} of `asked`. Writes the temp table assignment_plan."""
    names = {"tenant_id": tenant_id, "org_id": org_id}
    connection.execute(sql("plan"), names | {"files": [str(asked)], "retry": retry})
    counted = connection.execute("SELECT outcome, count(*) FROM assignment_plan GROUP BY ALL ORDER BY ALL")
    return Plan(
        dict(counted.fetchall()),
        _samples(connection, samples),
        [Assignment(*row) for row in connection.execute(sql("due")).fetchall()],
    )


def settle(connection: Connection, tenant_id: str, org_id: str, run_id: str) -> None:
    """After `make_plan`: mark in the ledger what got no answer and turns out to be enrolled."""
    names = {"tenant_id": tenant_id, "org_id": org_id, "now": utc_now(), "run_id": run_id}
    connection.execute(sql("settle"), names)


def _samples(connection: Connection, most: int) -> list[dict[str, Any]]:
    found = connection.execute(sql("samples"), {"most": most})
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
