"""Reads the maps (packaged, or file by file from an override folder), checks them and compiles them to SQL."""

from __future__ import annotations

import csv
import itertools
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mappings import crosswalk
from mappings.crosswalk import ItemRule
from mappings.errors import MappingError
from mappings.learnings import FILE as LEARNINGS_FILE
from mappings.learnings import LearningField, learning_fields

PACKAGED = Path(__file__).parent
# The restricted picklist of LearningItemProgress.ProgressStatus (docs/facts/salesforce.md section 0).
PROGRESS_STATUSES = (
    "Behind", "Completed", "CompletedLate", "CompletedOnTime", "InProgress",
    "NoLongerTracking", "NotStarted", "OnTrack", "Overdue",
)  # fmt: skip

_YES_NO = ("yes", "no")
_DUE = ("none", "open", "overdue", "long_overdue")
_COMPLETION = ("unknown", "late", "on_time")
_PACE = ("on_track", "behind")
_OUTCOMES = ("retry", "few", "once", "defer", "permanent", "stop")
_KINDS = ("text", "number", "checkbox", "datetime", "reference", "parent")
_ABSORB_LEARNER_FIELDS = ("external_id", "email_address", "username", "employee_number")
_SALESFORCE_PEOPLE = ("User.FederationIdentifier", "User.Email", "User.Username", "Contact.Email")
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
_API_NAME = re.compile(r"^[A-Za-z]\w*(\.[A-Za-z]\w*)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of progress_status.csv; an empty tuple means any."""

    name: str
    removed: tuple[str, ...]
    status: tuple[int, ...]
    is_active: tuple[str, ...]
    due: tuple[str, ...]
    completion: tuple[str, ...]
    pace: tuple[str, ...]
    progress_status: str

    def matches(self, situation: Situation) -> bool:
        """True when every cell allows the situation's value."""
        pairs: tuple[tuple[Sequence[object], object], ...] = (
            (self.removed, situation.removed),
            (self.status, situation.status),
            (self.is_active, situation.is_active),
            (self.due, situation.due),
            (self.completion, situation.completion),
            (self.pace, situation.pace),
        )
        return all(not allowed or value in allowed for allowed, value in pairs)

    @property
    def condition(self) -> str:
        """The row as SQL over the columns of sql/learning_item_progress.sql."""
        parts = []
        if self.removed:
            parts.append(_truth("removed", self.removed))
        if self.status:
            parts.append(f"status IN ({', '.join(map(str, self.status))})")
        if self.is_active:
            parts.append(_truth("is_active", self.is_active))
        for column, values in (("due", self.due), ("completion", self.completion), ("pace", self.pace)):
            if values:
                parts.append(f"{column} IN ({', '.join(map(_quote, values))})")
        return " AND ".join(parts) or "true"


@dataclass(frozen=True, slots=True)
class Situation:
    """One combination of everything the rules look at."""

    removed: str
    status: int
    is_active: str
    due: str
    completion: str
    pace: str


@dataclass(frozen=True, slots=True)
class LearnerRule:
    """One row of learner_matching.csv."""

    name: str
    absorb_field: str
    salesforce_object: str
    salesforce_field: str
    active_only: bool


@dataclass(frozen=True, slots=True)
class FieldMap:
    """One row of salesforce_fields.csv."""

    object: str
    field: str
    source: str
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of salesforce_errors.csv."""

    code: str
    contains: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """All maps, checked."""

    statuses: dict[int, str]
    rules: tuple[StatusRule, ...]
    no_longer_tracking_after_days: int | None
    pace_tolerance: float
    learner_rules: tuple[LearnerRule, ...]
    fields: tuple[FieldMap, ...]
    errors: tuple[ErrorRule, ...]
    items: tuple[ItemRule, ...]
    learnings: tuple[LearningField, ...]
    folder: Path | None

    def sql(self, name: str) -> str:
        """The text of `sql/<name>.sql` with the compiled maps filled in."""
        text = _locate(self.folder, f"sql/{name}.sql").read_text("utf-8")
        parts = self._parts()
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)

    def _parts(self) -> dict[str, str]:
        days = self.no_longer_tracking_after_days
        return {
            "known_statuses": ", ".join(map(str, self.statuses)),
            "tracked_days": "CAST(NULL AS INTEGER)" if days is None else str(days),
            "pace_tolerance": repr(self.pace_tolerance),
            "rule_case": _case([(rule.condition, _quote(rule.name)) for rule in self.rules]),
            "status_case": _case([(f"d.rule = {_quote(r.name)}", _quote(r.progress_status)) for r in self.rules]),
            "status_labels": " ".join(f"WHEN {code} THEN {_quote(label)}" for code, label in self.statuses.items()),
            "hits": self._hits(),
            "crosswalk": crosswalk.crosswalk_sql(self.items),
        }

    def _hits(self) -> str:
        return "\n  UNION ALL\n  ".join(_hit(position, rule) for position, rule in enumerate(self.learner_rules, 1))

    def object_fields(self, name: str) -> tuple[FieldMap, ...]:
        """The field map of one Salesforce object."""
        return tuple(entry for entry in self.fields if entry.object == name)


def load_mapping(folder: Path | None = None) -> Mapping:
    """Read and check all maps; files missing in `folder` come from the package. Raises MappingError."""
    if folder is not None and not folder.is_dir():
        raise MappingError(f"{folder} is not a folder")
    _refuse_unknown_files(folder)
    statuses = _statuses(folder)
    rules = tuple(_rule(row, number, statuses) for number, row in _rows(folder, "progress_status.csv"))
    parameters = _parameters(folder)
    mapping = Mapping(
        statuses=statuses,
        rules=rules,
        no_longer_tracking_after_days=parameters[0],
        pace_tolerance=parameters[1],
        learner_rules=tuple(_learner_rule(row, number) for number, row in _rows(folder, "learner_matching.csv")),
        fields=tuple(_field(row, number) for number, row in _rows(folder, "salesforce_fields.csv")),
        errors=tuple(_error_rule(row, number) for number, row in _rows(folder, "salesforce_errors.csv")),
        items=tuple(crosswalk.item_rule(row, number) for number, row in _rows(folder, crosswalk.FILE)),
        learnings=learning_fields(_rows(folder, LEARNINGS_FILE)),
        folder=folder,
    )
    crosswalk.check_crosswalk(mapping.items)
    _check_names("progress_status.csv", [rule.name for rule in mapping.rules])
    _check_names("learner_matching.csv", [rule.name for rule in mapping.learner_rules])
    _check_names("salesforce_fields.csv", [f"{entry.object}.{entry.field}" for entry in mapping.fields])
    _check_names(LEARNINGS_FILE, [entry.field for entry in mapping.learnings])
    check_decided(mapping)
    return mapping


def _refuse_unknown_files(folder: Path | None) -> None:
    """A misspelt override would silently do nothing."""
    for path in sorted(folder.glob("*")) if folder else ():
        if path.suffix in {".csv", ".toml"} and not (PACKAGED / path.name).is_file():
            known = ", ".join(sorted(entry.name for entry in PACKAGED.glob("*.*") if entry.suffix in {".csv", ".toml"}))
            raise MappingError(f"{path} is not a map of learnsync; maps are {known}")


def situations(statuses: Sequence[int]) -> Iterator[Situation]:
    """Every combination that can occur: no lateness without a due date, no pace without an open one."""
    for removed, status, active, due in itertools.product(_YES_NO, statuses, _YES_NO, _DUE):
        completions = _COMPLETION if status == 3 and due != "none" else ("unknown",)
        paces = ("on_track",) if due == "none" else _PACE
        for completion, pace in itertools.product(completions, paces):
            yield Situation(removed, status, active, due, completion, pace)


def decide(mapping: Mapping, situation: Situation) -> StatusRule | None:
    """The first rule that matches."""
    return next((rule for rule in mapping.rules if rule.matches(situation)), None)


def check_decided(mapping: Mapping) -> None:
    """Every situation must be decided and every rule must decide something. Raises MappingError."""
    used: set[str] = set()
    for situation in situations(list(mapping.statuses)):
        rule = decide(mapping, situation)
        if rule is None:
            cells = ", ".join(f"{column}={getattr(situation, column)}" for column in Situation.__slots__)
            raise MappingError(f"progress_status.csv: no rule decides the case {cells}; add a row for it")
        used.add(rule.name)
    idle = [rule.name for rule in mapping.rules if rule.name not in used]
    if idle:
        raise MappingError(
            f"progress_status.csv: rule {idle[0]!r} can never apply; an earlier rule takes all its cases"
        )


def _locate(folder: Path | None, name: str) -> Path:
    own = folder / name if folder else None
    return own if own is not None and own.is_file() else PACKAGED / name


def _rows(folder: Path | None, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    path = _locate(folder, name)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as failure:
        raise MappingError(f"{path} cannot be read: {failure}") from None
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    reader = csv.DictReader((line for _, line in numbered), strict=True)
    expected = _header(name)
    try:
        rows = list(reader)
    except csv.Error as failure:
        line = numbered[min(reader.line_num, len(numbered)) - 1][0] if numbered else 1
        raise MappingError(f"{path} line {line}: is not well-formed CSV ({failure})") from None
    if list(reader.fieldnames or []) != expected:
        raise MappingError(f"{path}: the header must be {','.join(expected)}")
    if len(rows) != len(numbered) - 1:
        raise MappingError(f"{path}: a quoted cell goes on over the end of its line; write each row on one line")
    for (number, _), row in zip(numbered[1:], rows, strict=True):
        if None in row or None in row.values():
            raise MappingError(f"{path} line {number}: needs exactly {len(expected)} cells")
        yield number, {key: value.strip() for key, value in row.items()}


def _header(name: str) -> list[str]:
    text = (PACKAGED / name).read_text("utf-8")
    return next(line for line in text.splitlines() if line and line[0] != "#").split(",")


def _statuses(folder: Path | None) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, row in _rows(folder, "absorb_statuses.csv"):
        if not row["code"].isdigit() or not row["label"] or int(row["code"]) in found:
            raise MappingError(f"absorb_statuses.csv line {number}: needs a new whole number and a label")
        found[int(row["code"])] = row["label"]
    return found


def _parameters(folder: Path | None) -> tuple[int | None, float]:
    path = _locate(folder, "parameters.toml")
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise MappingError(f"{path} cannot be read: {failure}") from None
    unknown = set(table) - {"no_longer_tracking_after_days", "pace_tolerance"}
    if unknown:
        raise MappingError(f"{path}: unknown parameter {sorted(unknown)[0]}")
    days, tolerance = table.get("no_longer_tracking_after_days", 30), table.get("pace_tolerance", 10)
    if days != "never" and (not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36_500):
        raise MappingError(f'{path}: no_longer_tracking_after_days must be a whole number of days, or "never"')
    if not isinstance(tolerance, int | float) or isinstance(tolerance, bool) or not 0 <= tolerance <= 100:
        raise MappingError(f"{path}: pace_tolerance must be a number from 0 to 100")
    return None if days == "never" else days, float(tolerance)


def _cell(row: dict[str, str], column: str, allowed: Sequence[str], where: str) -> tuple[str, ...]:
    values = row[column].split()
    if values == ["any"]:
        return ()
    wrong = [value for value in values if value not in allowed]
    if wrong or not values:
        raise MappingError(f"{where}: {column} is {row[column]!r}; use any, or of {' '.join(allowed)}")
    return tuple(values)


def _rule(row: dict[str, str], number: int, statuses: dict[int, str]) -> StatusRule:
    where = f"progress_status.csv line {number}"
    _check_name(row["rule"], where)
    if row["progress_status"] not in PROGRESS_STATUSES:
        raise MappingError(f"{where}: {row['progress_status']!r} is not a value of ProgressStatus")
    codes = _cell(row, "status", [str(code) for code in statuses], where)
    return StatusRule(
        name=row["rule"],
        removed=_cell(row, "removed", _YES_NO, where),
        status=tuple(int(code) for code in codes),
        is_active=_cell(row, "is_active", _YES_NO, where),
        due=_cell(row, "due", _DUE, where),
        completion=_cell(row, "completion", _COMPLETION, where),
        pace=_cell(row, "pace", _PACE, where),
        progress_status=row["progress_status"],
    )


def _learner_rule(row: dict[str, str], number: int) -> LearnerRule:
    where = f"learner_matching.csv line {number}"
    _check_name(row["rule"], where)
    if row["absorb_field"] not in _ABSORB_LEARNER_FIELDS:
        raise MappingError(f"{where}: absorb_field must be one of {', '.join(_ABSORB_LEARNER_FIELDS)}")
    if row["salesforce"] not in _SALESFORCE_PEOPLE or row["active_only"] not in _YES_NO:
        raise MappingError(f"{where}: salesforce must be one of {', '.join(_SALESFORCE_PEOPLE)}; active_only yes or no")
    target, _, name = row["salesforce"].partition(".")
    return LearnerRule(row["rule"], row["absorb_field"], target, name, row["active_only"] == "yes")


def _field(row: dict[str, str], number: int) -> FieldMap:
    where = f"salesforce_fields.csv line {number}"
    if not _API_NAME.match(row["field"]) or not _API_NAME.match(row["object"]) or not _NAME.match(row["source"]):
        raise MappingError(f"{where}: object and field must be API names, source a column name")
    if row["kind"] not in _KINDS or row["required"] not in _YES_NO:
        raise MappingError(f"{where}: kind must be one of {', '.join(_KINDS)}; required yes or no")
    if (row["kind"] == "parent") != ("." in row["field"]):
        raise MappingError(f"{where}: a parent is written Relationship__r.External_Id__c, and only a parent is")
    return FieldMap(row["object"], row["field"], row["source"], row["kind"], row["required"] == "yes")


def _error_rule(row: dict[str, str], number: int) -> ErrorRule:
    if row["outcome"] not in _OUTCOMES or not row["code"]:
        raise MappingError(f"salesforce_errors.csv line {number}: needs a code and one of {', '.join(_OUTCOMES)}")
    return ErrorRule(row["code"], row["contains"], row["outcome"])


def _check_name(name: str, where: str) -> None:
    if not _NAME.match(name):
        raise MappingError(f"{where}: {name!r} must be a lower-case name such as long_overdue")


def _check_names(file: str, names: Sequence[str]) -> None:
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise MappingError(f"{file}: {doubled[0]!r} occurs twice; names are unique")


def _truth(column: str, values: Sequence[str]) -> str:
    return "true" if len(set(values)) > 1 else column if values[0] == "yes" else f"NOT {column}"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _case(branches: Sequence[tuple[str, str]]) -> str:
    lines = "\n".join(f"      WHEN {condition} THEN {value}" for condition, value in branches)
    return f"CASE\n{lines}\n    END"


def _hit(position: int, rule: LearnerRule) -> str:
    table = "users" if rule.salesforce_object == "User" else "contacts"
    active = ' AND s."IsActive"' if rule.active_only and rule.salesforce_object == "User" else ""
    return (  # parts come from closed lists that the loader checked
        f"SELECT u.id AS user_id, {position} AS position, {_quote(rule.name)} AS rule,"
        f' {_quote(rule.salesforce_object)} AS object, s."Id" AS salesforce_id'
        f" FROM absorb.users AS u JOIN salesforce.{table} AS s ON s.tenant_id = u.tenant_id"
        f' AND lower(trim(s."{rule.salesforce_field}")) = lower(trim(u.{rule.absorb_field})){active}'
        f" WHERE u.tenant_id = $tenant_id AND trim(u.{rule.absorb_field}) <> '' AND s._removed_at IS NULL"
    )
