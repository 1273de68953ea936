"""learner_matching.csv: by which fields a learner of Absorb is found among the people of Salesforce."""

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.cells import YES_NO, Rows, check_name, check_unique, quote
from mappings.errors import MappingError

FILE = "learner_matching.csv"
_ABSORB_FIELDS = ("external_id", "email_address", "username", "employee_number")
_SALESFORCE_FIELDS = ("User.FederationIdentifier", "User.Email", "User.Username", "Contact.Email")


@dataclass(frozen=True, slots=True)
class LearnerRule:
    """One row of learner_matching.csv."""

    name: str
    absorb_field: str
    salesforce_object: str
    salesforce_field: str
    active_only: bool


def learner_rules(rows: Rows) -> tuple[LearnerRule, ...]:
    """The rows as rules. Raises MappingError, which names the line."""
    rules = tuple(_rule(row, number) for number, row in rows)
    check_unique(FILE, [rule.name for rule in rules])
    return rules


def hits_sql(rules: Sequence[LearnerRule]) -> str:
    """A query of all pairs of a learner and a person that a rule brings together, with the rule's position."""
    return "\n  UNION ALL\n  ".join(_hit(position, rule) for position, rule in enumerate(rules, 1))


def _rule(row: dict[str, str], number: int) -> LearnerRule:
    where = f"{FILE} line {number}"
    check_name(row["rule"], where)
    if row["absorb_field"] not in _ABSORB_FIELDS:
        raise MappingError(f"{where}: absorb_field must be one of {', '.join(_ABSORB_FIELDS)}")
    if row["salesforce"] not in _SALESFORCE_FIELDS or row["active_only"] not in YES_NO:
        raise MappingError(f"{where}: salesforce must be one of {', '.join(_SALESFORCE_FIELDS)}; active_only yes or no")
    target, _, name = row["salesforce"].partition(".")
    return LearnerRule(row["rule"], row["absorb_field"], target, name, row["active_only"] == "yes")


def _hit(position: int, rule: LearnerRule) -> str:
    table = "users" if rule.salesforce_object == "User" else "contacts"
    active = ' AND s."IsActive"' if rule.active_only and rule.salesforce_object == "User" else ""
    return (  # parts come from closed lists that `_rule` checked
        f"SELECT u.id AS user_id, {position} AS position, {quote(rule.name)} AS rule,"
        f' {quote(rule.salesforce_object)} AS object, s."Id" AS salesforce_id'
        f" FROM absorb.users AS u JOIN salesforce.{table} AS s ON s.tenant_id = u.tenant_id"
        f' AND lower(trim(s."{rule.salesforce_field}")) = lower(trim(u.{rule.absorb_field})){active}'
        f" WHERE u.tenant_id = $tenant_id AND trim(u.{rule.absorb_field}) <> '' AND s._removed_at IS NULL"
    )
