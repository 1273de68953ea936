"""How each list of a portal is asked for what changed, as far as a refusal taught it (ops.dialects)."""

from dataclasses import asdict, dataclass
from datetime import datetime

from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class KeptDialect:
    """The way that a list is asked, found at a refusal."""

    stream: str
    dialect: str
    refusal: str
    found_at: datetime


def put_dialect(connection: Connection, tenant_id: str, portal: str, found: KeptDialect) -> None:
    """Remember how a list is asked from now on; `portal` is its base URL."""
    connection.execute(sql("dialect_put"), {"tenant_id": tenant_id, "portal": portal, **asdict(found)})


def forget_dialects(connection: Connection, tenant_id: str, portal: str, dialect: str, before: datetime) -> None:
    """Forget the lists that are asked this way since before an instant: they are asked by modifiedSince again."""
    names = {"tenant_id": tenant_id, "portal": portal, "dialect": dialect}
    connection.execute(sql("dialects_forget"), {**names, "before": before})


def read_dialects(connection: Connection, tenant_id: str, portal: str) -> list[KeptDialect]:
    """What is known of this portal's lists, by stream."""
    rows = connection.execute(sql("dialects_known"), {"tenant_id": tenant_id, "portal": portal}).fetchall()
    return [KeptDialect(*row) for row in rows]
