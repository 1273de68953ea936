"""Reads the maps, checks them and fills them into the SQL of the canonical tables."""

import re
from dataclasses import dataclass
from pathlib import Path

from mappings import crosswalk, fields, learner_crosswalk, learnings, matching, statuses
from mappings.cells import case_sql, quote
from mappings.crosswalk import ItemRule
from mappings.errors import MappingError
from mappings.fields import ErrorRule, FieldMap
from mappings.files import locate, read_parameters, read_rows, refuse_unknown_files
from mappings.learner_crosswalk import ManualMatch
from mappings.learnings import LearningField
from mappings.matching import LearnerRule
from mappings.statuses import StatusRule

ABSORB_STATUSES = "absorb_statuses.csv"
PARAMETERS = "parameters.toml"
# Which enrollments the canonical tables are computed of, all of them unless a build names others; the expression that
# gives the id of an enrollment's LearningRecord; and what narrows details down where only few enrollments are computed.
SOURCE = {
    "enrollments": "absorb.enrollments",
    "learning_record_id": "learning_record_id(e.tenant_id, 'absorb', e.id, e.date_added)",
    "of_due_sessions": "",
    "of_due_attempts": "",
    "progress": "learning_item_progress",
}


@dataclass(frozen=True, slots=True)
class Mapping:
    """All maps, checked."""

    statuses: dict[int, str]
    rules: tuple[StatusRule, ...]
    no_longer_tracking_after_days: int | None
    pace_tolerance: float
    learner_rules: tuple[LearnerRule, ...]
    manual: tuple[ManualMatch, ...]
    fields: tuple[FieldMap, ...]
    errors: tuple[ErrorRule, ...]
    items: tuple[ItemRule, ...]
    learnings: tuple[LearningField, ...]
    folder: Path | None

    def sql(self, name: str, **parts: str) -> str:
        """The text of `sql/<name>.sql` with the compiled maps filled in; `parts` take the place of those in SOURCE."""
        text = locate(self.folder, f"sql/{name}.sql").read_text("utf-8")
        parts = {**SOURCE, **self._parts(), **parts}
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)

    def is_packaged(self, name: str) -> bool:
        """False where the folder has a `sql/<name>.sql` of its own, which may read whatever it likes."""
        return locate(self.folder, f"sql/{name}.sql") == locate(None, f"sql/{name}.sql")

    def _parts(self) -> dict[str, str]:
        days = self.no_longer_tracking_after_days
        return {
            "known_statuses": ", ".join(map(str, self.statuses)),
            "tracked_days": "CAST(NULL AS INTEGER)" if days is None else str(days),
            "pace_tolerance": repr(self.pace_tolerance),
            "rule_case": case_sql([(rule.condition, quote(rule.name)) for rule in self.rules]),
            "status_case": case_sql([(f"d.rule = {quote(r.name)}", quote(r.progress_status)) for r in self.rules]),
            "status_labels": " ".join(f"WHEN {code} THEN {quote(label)}" for code, label in self.statuses.items()),
            "hits": matching.hits_sql(self.learner_rules),
            "contact_keys": matching.keys_sql(self.learner_rules),
            "learner_crosswalk": learner_crosswalk.manual_sql(self.manual),
            "crosswalk": crosswalk.crosswalk_sql(self.items),
        }

    def object_fields(self, name: str) -> tuple[FieldMap, ...]:
        """The field map of one Salesforce object."""
        return tuple(entry for entry in self.fields if entry.object == name)


def load_mapping(folder: Path | None = None) -> Mapping:
    """Read and check all maps; files missing in `folder` come from the package. Raises MappingError."""
    if folder is not None and not folder.is_dir():
        raise MappingError(f"{folder} is not a folder")
    refuse_unknown_files(folder)
    labels = _labels(folder)
    days, tolerance = _parameters(folder)
    return Mapping(
        statuses=labels,
        rules=statuses.status_rules(read_rows(folder, statuses.FILE, *statuses.OPTIONAL), labels),
        no_longer_tracking_after_days=days,
        pace_tolerance=tolerance,
        learner_rules=matching.learner_rules(read_rows(folder, matching.FILE)),
        manual=learner_crosswalk.manual_matches(read_rows(folder, learner_crosswalk.FILE, "tenant_id")),
        fields=fields.field_maps(read_rows(folder, fields.FILE, "longest"), read_rows(None, fields.FILE)),
        errors=fields.error_rules(read_rows(folder, fields.ERRORS_FILE)),
        items=crosswalk.item_rules(read_rows(folder, crosswalk.FILE)),
        learnings=learnings.learning_fields(read_rows(folder, learnings.FILE)),
        folder=folder,
    )


def _labels(folder: Path | None) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, row in read_rows(folder, ABSORB_STATUSES):
        if not row["code"].isdigit() or not row["label"] or int(row["code"]) in found:
            raise MappingError(f"{ABSORB_STATUSES} line {number}: needs a new whole number and a label")
        found[int(row["code"])] = row["label"]
    return found


def _parameters(folder: Path | None) -> tuple[int | None, float]:
    """(no_longer_tracking_after_days, pace_tolerance); None days mean never."""
    path, table = locate(folder, PARAMETERS), read_parameters(folder, PARAMETERS)
    unknown = set(table) - {"no_longer_tracking_after_days", "pace_tolerance"}
    if unknown:
        raise MappingError(f"{path}: unknown parameter {sorted(unknown)[0]}")
    days, tolerance = table.get("no_longer_tracking_after_days", "never"), table.get("pace_tolerance", 10)
    if days != "never" and (not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36_500):
        raise MappingError(f'{path}: no_longer_tracking_after_days must be a whole number of days, or "never"')
    if not isinstance(tolerance, int | float) or isinstance(tolerance, bool) or not 0 <= tolerance <= 100:
        raise MappingError(f"{path}: pace_tolerance must be a number from 0 to 100")
    return None if days == "never" else days, float(tolerance)
