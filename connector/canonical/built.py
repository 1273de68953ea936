"""By what the canonical tables were computed: instant and maps of the statuses (ops.builds), all of it (ops.built)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import duckdb

from connector.settings import Settings, variable
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import Mapping, fingerprints

sql = statements(__package__)

TIMEZONE = variable("mapping", "timezone")
# What a status is decided by; the other maps are read when something is matched or pushed.
DECIDING = (
    "absorb_statuses.csv", "parameters.toml", "progress_status.csv", "sql/learning_item_progress.sql",
    "sql/learning_record.sql", TIMEZONE,
)  # fmt: skip
# To be raised when rows are computed in another way for a reason that is not in the text of the maps.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Built:
    """An instant, and file of the maps → hash of what it says; None where nobody noted it."""

    as_of: datetime | None
    maps: dict[str, str] | None


def map_hashes(settings: Settings) -> dict[str, str]:
    """File of the maps that the settings name → hash of what it says; the time zone counts as one."""
    zone = sha256(settings.mapping.timezone.encode()).hexdigest()[:16]
    return {**fingerprints(settings.mapping.dir), TIMEZONE: zone}


def note_build(connection: Connection, settings: Settings, as_of: datetime) -> None:
    """Note that the statuses are of this instant and these maps; in the transaction that writes them."""
    hashes = map_hashes(settings)
    maps = json.dumps({name: hashes[name] for name in DECIDING})
    connection.execute(sql("build_note"), {"tenant_id": settings.tenant_id, "as_of": as_of, "maps": maps})


def last_build(connection: Connection, settings: Settings) -> Built:
    """What the statuses are of now: the matches and payloads of a push are made by today's maps.

    A version that noted no builds made the statuses by maps that nobody knows, until the next build.
    """
    query = "SELECT as_of, maps FROM ops.builds WHERE tenant_id = $tenant_id"
    found = connection.execute(query, {"tenant_id": settings.tenant_id}).fetchone()
    return Built(found[0], map_hashes(settings) | json.loads(found[1])) if found else Built(None, None)


def inputs(settings: Settings, maps: Mapping, table: str) -> str:
    """A hash of what decides the rows of a table beside its sources: the filled-in map, the settings, the versions.

    DuckDB is one of them: it knows the time zones.
    """
    texts = [str(VERSION), duckdb.__version__, maps.sql("macros"), maps.sql(table)]
    return fingerprint([*texts, settings.provider, settings.mapping.timezone])


def fingerprint(texts: Sequence[str]) -> str:
    """A hash of texts in their order."""
    return sha256(json.dumps(texts).encode()).hexdigest()


def stands(connection: Connection, tenant_id: str, table: str, made_by: str) -> bool:
    """True where every row of the table was made by what would make it now."""
    found = dict(connection.execute(sql("built_known"), {"tenant_id": tenant_id}).fetchall())
    return found.get(table) == made_by


def note_made_by(connection: Connection, tenant_id: str, table: str, made_by: str) -> None:
    """Note by what every row of the table is made now; in the transaction that makes them."""
    names = {"tenant_id": tenant_id, "table_name": table}
    connection.execute(sql("built_forget"), names)
    connection.execute(sql("built_put"), names | {"inputs": made_by})
