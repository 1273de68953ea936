"""The decision whether a planned push is sent or held (docs/operators.md, "A push is held")."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from connector.canonical.built import DECIDING, Built, last_build
from connector.push.changes import LEAST_RECORDS, NEVER_PERCENT, Changes, Comparison
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

BY_ANOTHER_WAREHOUSE = "This warehouse did not make the last push: whether the map changed since is not known."


@dataclass(frozen=True, slots=True)
class Guard:
    """Looks at each plan of a push before it is sent."""

    settings: Settings
    maps: Maps
    options: PushOptions
    run_id: str

    def look(
        self, connection: Connection, watch: Watch, key: Mapping[str, Any], report: TargetReport, *, whole: bool = True
    ) -> None:
        """Set `report.hold`, or note the plan as passed. Call in its transaction, while `pushable` is the target's.

        `whole`: see changes.Comparison.
        """
        last, by_earlier = self._last(connection, watch, key)
        now = last_build(connection, self.settings)
        comparison = Comparison(connection, self.settings, self.maps, watch, key, whole)
        percent = self.settings.salesforce.max_change_percent
        of_statuses = self._percent_of_statuses(last, now, by_earlier)
        changes, holds = comparison.changes(last.as_of, of_statuses), HoldTable(connection, key)
        parts = changes.too_many(percent, of_statuses)
        if parts:
            reason = " ".join([f"{'; '.join(parts)}.", self._limit(of_statuses), *_map_changes(last, now, by_earlier)])
            hold = Hold("", report.object, reason, _counts(changes, report), comparison.plan_hash(), utc_now())
            report.hold = self._held(holds, hold)
        if changes.unknown:
            report.notes.append(f"what the org has of {changes.unknown:,} records is not known: they are not counted")
        if report.hold is None and not self.options.dry_run:
            holds.resolve(approved=False)
            comparison.keep(now.as_of)
            if now.as_of:
                values = {"as_of": now.as_of, "maps": json.dumps(now.maps), "run_id": self.run_id}
                connection.execute(sql("plan_put"), {**key, **values})

    def _last(self, connection: Connection, watch: Watch, key: Mapping[str, Any]) -> tuple[Built, bool]:
        """What the statuses of the last push were of, and whether it was of a version that noted no maps."""
        copies = watch.copies or "salesforce.lms_courses"
        found = connection.execute(sql("last_plan", copies=copies), key).fetchone()
        as_of, maps, source = found or (None, None, "")
        return Built(as_of, json.loads(maps) if maps else None), source == "build"

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

    def _percent_of_statuses(self, last: Built, now: Built, by_earlier: bool) -> float:
        """What share of the statuses may change: none where the rules that decide them changed since the last push."""
        percent = self.settings.salesforce.max_change_percent
        if percent >= NEVER_PERCENT:
            return percent
        by_other_rules = by_earlier if last.maps is None else bool(_changed(last, now) & set(DECIDING))
        return 0 if by_other_rules else percent

    def _limit(self, of_statuses: float) -> str:
        allowed = f"{SETTING} allows {self.settings.salesforce.max_change_percent:g} %"
        if of_statuses:
            return f"{allowed}."
        return f"{allowed}, and after a change of the map {LEAST_RECORDS} changed statuses whatever their share."


def _changed(last: Built, now: Built) -> set[str]:
    """The files of the maps that differ."""
    before, after = last.maps or {}, now.maps or {}
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _map_changes(last: Built, now: Built, by_earlier: bool) -> list[str]:
    if last.maps is None or now.maps is None:
        return [BY_EARLIER_VERSION if by_earlier else BY_ANOTHER_WAREHOUSE]
    changed = sorted(_changed(last, now))
    return [f"The map changed since the last push: {', '.join(changed)}."] if changed else []


def _counts(changes: Changes, report: TargetReport) -> dict[str, Any]:
    return {**asdict(changes), "create": report.create, "update": report.update}
