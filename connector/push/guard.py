"""The decision whether a planned push is sent or held (docs/operators.md, "A push is held")."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from connector.canonical.built import Built, last_build
from connector.push.changes import Changes, Comparison
from connector.push.holds import Hold, HoldTable, new_id
from connector.push.reports import PushOptions, TargetReport
from connector.push.watch import Watch
from connector.settings import Settings, variable
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import Mapping as Maps

sql = statements(__package__)

SETTING = variable("salesforce", "max_change_percent")
BY_EARLIER_VERSION = "The map changed since the last push, which an earlier version of learnsync made (CHANGELOG.md)."


@dataclass(frozen=True, slots=True)
class Guard:
    """Looks at each plan of a push before it is sent."""

    settings: Settings
    maps: Maps
    options: PushOptions
    run_id: str

    def look(self, connection: Connection, watch: Watch, key: Mapping[str, Any], report: TargetReport) -> None:
        """Set `report.hold`, or note the plan as passed. Call in its transaction, while `pushable` is the target's."""
        found = connection.execute(sql("last_plan"), {**key, "run_id": self.run_id}).fetchone()
        last = Built(found[0], json.loads(found[1]) if found[1] else None) if found else Built(None, None)
        now = last_build(connection, self.settings)
        comparison = Comparison(connection, self.settings, self.maps, watch, key)
        changes, holds = comparison.changes(last.as_of), HoldTable(connection, key)
        parts = changes.too_many(self.settings.salesforce.max_change_percent)
        if parts:
            reason = " ".join([self._limit(parts), *_map_changes(last, now)])
            hold = Hold("", report.object, reason, _counts(changes, report), comparison.plan_hash(), utc_now())
            report.hold = self._held(holds, hold)
        if changes.unknown:
            report.notes.append(f"what the org has of {changes.unknown:,} records is not known: they are not counted")
        if report.hold is None and not self.options.dry_run:
            holds.resolve(approved=False)
            comparison.keep(now.as_of)
            values = {"as_of": now.as_of, "maps": json.dumps(now.maps), "run_id": self.run_id}
            connection.execute(sql("plan_put"), {**key, **values})

    def _held(self, holds: HoldTable, hold: Hold) -> Hold | None:
        """The hold to report: the one that waits with this plan, or a new one; None where it is approved."""
        waiting = holds.waiting()
        if waiting and waiting.plan_hash == hold.plan_hash:
            if waiting.id not in self.options.approve:
                return waiting.told(holds.named(self.options.approve))
            holds.approve(waiting)
            return None
        if not self.options.dry_run:
            hold = replace(hold, id=new_id())
            holds.put(hold)
        return hold.told(holds.named(self.options.approve))

    def _limit(self, parts: Sequence[str]) -> str:
        return f"{'; '.join(parts)}. {SETTING} allows {self.settings.salesforce.max_change_percent:g} %."


def _map_changes(last: Built, now: Built) -> list[str]:
    if last.maps is None or now.maps is None:
        return [BY_EARLIER_VERSION]
    changed = sorted(name for name in last.maps.keys() | now.maps.keys() if last.maps.get(name) != now.maps.get(name))
    return [f"The map changed since the last push: {', '.join(changed)}."] if changed else []


def _counts(changes: Changes, report: TargetReport) -> dict[str, Any]:
    return {**asdict(changes), "create": report.create, "update": report.update}
