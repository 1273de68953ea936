"""`learnsync explain`: one enrollment's way from the portal to the org, and why its status is what it is."""

from __future__ import annotations

import json
import re
from typing import Any

from connector.canonical.build import load_maps
from connector.cli.console import out
from connector.cli.render import show_pairs
from connector.errors import IncompleteError, SettingsError
from connector.settings import Settings
from connector.streams.rows import GUID_PATTERN
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import statements

sql = statements(__package__)


def collect(settings: Settings, enrollment_id: str) -> dict[str, Any]:
    """Everything the warehouse knows of one enrollment. Raises IncompleteError when it knows nothing."""
    wanted = enrollment_id.strip().lower()
    if not re.match(GUID_PATTERN, wanted):
        raise SettingsError(f"{enrollment_id!r} is not an enrollment id.", remedy="It is a GUID, as Absorb shows it.")
    with Warehouse.of(settings).connect() as connection:
        story = _one(connection, sql("explain"), {"tenant_id": settings.tenant_id, "id": wanted})
    if story is None or not any(story.values()):
        raise IncompleteError(
            f"No enrollment {wanted} in the warehouse of tenant {settings.tenant_id}.",
            remedy="Check the id and LEARNSYNC_TENANT_ID, or pull first.",
        )
    progress = story.get("learning_item_progress")
    if progress:
        rules = {rule.name: rule for rule in load_maps(settings).rules}
        rule = rules.get(progress["rule"])
        story["rule"] = {"name": progress["rule"], "condition": rule.condition if rule else "no longer in the map"}
    return story


def _one(connection: Connection, text: str, values: dict[str, Any]) -> dict[str, Any] | None:
    found = connection.execute(text, values)
    names = [column[0] for column in found.description or []]
    row = found.fetchone()
    return {name: json.loads(cell) if cell else None for name, cell in zip(names, row, strict=True)} if row else None


def show(story: dict[str, Any]) -> None:
    """Print the chapters in the order the data goes."""
    for name, title in (
        ("enrollment", "1. Source row (absorb.enrollments)"),
        ("quarantine", "   In quarantine"),
        ("learning_record", "2. LearningRecord"),
        ("learning_item_progress", "3. Status"),
        ("learner", "4. Learner in Salesforce"),
        ("push", "5. Last push"),
        ("record_push", "6. In the LearningRecord API"),
    ):
        chapter = story.get(name)
        if chapter:
            show_pairs(title, {key: value for key, value in chapter.items() if value is not None})
        if name == "learning_item_progress" and story.get("rule"):
            out.print(f"   because [bold]{story['rule']['name']}[/] is the first match: {story['rule']['condition']}")
        if name == "push" and not chapter:
            out.print("5. Last push: never sent")
