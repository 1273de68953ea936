"""The same enrollment id in two courses. An enrollment belongs to one course, so one of the two rows is wrong.

The row that came first stays, as long as it is not removed; the other one goes to quarantine under its id and course,
so that neither takes the other's place unseen.
"""

from collections.abc import Mapping, Sequence

from connector.streams.rows import AbsorbRow, Enrollment
from connector.warehouse.database import Connection, Stamp, count
from connector.warehouse.quarantine import Reject
from connector.warehouse.schema import data_columns
from connector.warehouse.statements import statements

sql = statements(__package__)


def set_aside(
    connection: Connection, model: type[AbsorbRow], landed_rows: str, files: Mapping[str, Sequence[str]]
) -> list[Reject]:
    """Take rows of another course than the known one out of what is staged. Call when `stored` is made."""
    if model is not Enrollment:
        return []
    if not count(connection, sql("strays")):
        return []
    found = connection.execute(sql("stray_rows", landed_rows=landed_rows), files).fetchall()
    connection.execute("DELETE FROM staged_all WHERE seq IN (SELECT seq FROM strays)")
    connection.execute(sql("stage_latest", columns=", ".join(data_columns(model))))
    return [_reject(*row) for row in found]


def _reject(row_id: str, course_id: str, kept: str, raw: str) -> Reject:
    reason = (
        f"course {kept} has an enrollment of the same id, which stays: correct it in the portal. Where the enrollment"
        " has moved, run `learnsync reconcile`, then `learnsync rejects retry`, which takes this one instead"
    )
    return Reject(f"{row_id}@{course_id}", raw, "courseId", reason)


def resolve_strays(connection: Connection, stream: str, stamp: Stamp) -> None:
    """Settle those that are staged as any other row. Call inside the transaction of the load."""
    if stream == Enrollment.stream:
        connection.execute(sql("strays_resolve"), {"tenant_id": stamp.tenant_id, "seen_at": stamp.now})
