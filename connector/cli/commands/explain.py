"""`learnsync explain`: one enrollment's way from the portal to the org, and why its status is what it is."""

import json
import re
from functools import partial
from typing import Any

from rich.text import Text

from connector.canonical import load_maps
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import records, sql, table
from connector.errors import IncompleteError, SettingsError
from connector.settings import Settings
from connector.streams.rows import GUID_PATTERN
from connector.warehouse.database import Warehouse

SECTIONS = {
    "enrollment": "1. Source row (absorb.enrollments)",
    "quarantine": "   In quarantine",
    "learning_record": "2. LearningRecord",
    "learning_item_progress": "3. Status",
    "learner": "4. Learner in Salesforce",
    "push": "5. Last push",
    "record_push": "6. In the LearningRecord API",
    "native": "7. LearningItemProgress in Salesforce, as last read back",
}


@command()
def explain(run: Run, enrollment_id: str) -> Outcome:
    """One enrollment's way: source row → LearningRecord → the rule that chose its status → last push outcome."""
    found = collect(run.settings, enrollment_id)
    return Outcome(found, partial(show, found))


def collect(settings: Settings, enrollment_id: str) -> dict[str, Any]:
    """Everything the warehouse knows of one enrollment. Raises IncompleteError when it knows nothing."""
    wanted = enrollment_id.strip().lower()
    if not re.match(GUID_PATTERN, wanted):
        raise SettingsError(f"{enrollment_id!r} is not an enrollment id.", remedy="It is a GUID, as Absorb shows it.")
    with Warehouse.existing(settings).connect() as connection:
        [row] = records(connection, sql("explain"), {"tenant_id": settings.tenant_id, "id": wanted})
    found = {name: json.loads(cell) if cell else None for name, cell in row.items()}
    if not any(found.values()):
        raise IncompleteError(
            f"No enrollment {wanted} in the warehouse of tenant {settings.tenant_id}.",
            remedy="Check the id and LEARNSYNC_TENANT_ID, or pull first.",
        )
    if progress := found["learning_item_progress"]:
        found["rule"] = _rule(settings, progress["rule"])
    return found


def _rule(settings: Settings, name: str) -> dict[str, str]:
    """What the map in use says of the rule that decided: its condition, and why it is one."""
    rule = next((rule for rule in load_maps(settings).rules if rule.name == name), None)
    return {
        "name": name,
        "condition": rule.condition if rule else "no longer in the map; the next build decides anew",
        "why": rule.why if rule else "",
    }


def show(found: dict[str, Any]) -> None:
    """Print the sections in the order the data goes."""
    for name, title in SECTIONS.items():
        if section := found[name]:
            known = [(Text(key, "dim"), str(value)) for key, value in section.items() if value is not None]
            out.print(table(title, ("", ""), known, numbers=False))
        if name == "learning_item_progress" and found.get("rule"):
            _show_reasons(found["rule"], found["history"])
        if name == "native" and section:
            out.print(f"   as it is now: learnsync readback --record {section['Id']}")
        if name == "push" and not section:
            out.print("5. Last push: never sent")


def _show_reasons(rule: dict[str, str], history: list[dict[str, Any]] | None) -> None:
    """Why the status is what it is, and which ones came before."""
    out.print(f"   because [bold]{rule['name']}[/] is the first match: {rule['condition']}")
    if rule["why"]:
        out.print(f"   {rule['why']}", soft_wrap=True)
    for past in [row for row in history or () if row["valid_to"]]:
        out.print(f"   before: {past['status']} ({past['rule']}) from {past['valid_from']} to {past['valid_to']}")
