"""learner_matching.csv: by which fields a learner of Absorb is found among the people of Salesforce."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mappings.cells import YES_NO, Rows, check_name, check_unique, quote
from mappings.errors import MappingError

FILE = "learner_matching.csv"
# What salesforce.users and salesforce.contacts have a column for; any other field lies in their column `fields`.
COLUMNS = {"User": ("FederationIdentifier", "Email", "Username"), "Contact": ("Email",)}
_TABLES = {"User": "users", "Contact": "contacts"}
_ABSORB_FIELDS = ("external_id", "email_address", "username", "employee_number")
_FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,79}$")


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


def compared_fields(rules: Sequence[LearnerRule], object_name: str) -> tuple[str, ...]:
    """The fields of User or Contact that the rules compare, each once."""
    return tuple(dict.fromkeys(rule.salesforce_field for rule in rules if rule.salesforce_object == object_name))


def hits_sql(rules: Sequence[LearnerRule]) -> str:
    """A query of all pairs of a learner and a person that a rule brings together, with the rule's position."""
    none = "SELECT NULL::UUID AS user_id, 0 AS position, '' AS rule, '' AS object, '' AS salesforce_id WHERE false"
    return "\n  UNION ALL\n  ".join(_hit(position, rule) for position, rule in enumerate(rules, 1)) or none


def keys_sql(rules: Sequence[LearnerRule]) -> str:
    """A query (field, value) of what a contact must hold so that a rule can bring it together with a learner."""
    queries = [
        f"SELECT {quote(rule.salesforce_field)} AS field, lower(trim({rule.absorb_field})) AS value"
        " FROM absorb.users WHERE tenant_id = $tenant_id"
        for rule in rules
        if rule.salesforce_object == "Contact"
    ]
    return "\n  UNION ALL\n  ".join(queries) or "SELECT '' AS field, '' AS value WHERE false"


def value_sql(object_name: str, field: str, alias: str) -> str:
    """A field of a person as it is compared: without outer blanks, in lower case."""
    column = f'{alias}."{field}"'
    if field not in COLUMNS[object_name]:
        column = f"json_extract_string({alias}.fields, '$.\"{field}\"')"
    return f"lower(trim({column}))"


def _rule(row: dict[str, str], number: int) -> LearnerRule:
    where = f"{FILE} line {number}"
    check_name(row["rule"], where)
    if row["absorb_field"] not in _ABSORB_FIELDS:
        raise MappingError(f"{where}: absorb_field must be one of {', '.join(_ABSORB_FIELDS)}")
    target, _, name = row["salesforce"].partition(".")
    if target not in COLUMNS or not _FIELD.match(name) or row["active_only"] not in YES_NO:
        known = "User.FederationIdentifier or Contact.Employee_Id__c"
        raise MappingError(
            f"{where}: salesforce must be a field of User or Contact, such as {known}; active_only yes or no"
        )
    spelled = {column.lower(): column for column in COLUMNS[target]}
    return LearnerRule(
        row["rule"], row["absorb_field"], target, spelled.get(name.lower(), name), row["active_only"] == "yes"
    )


def _hit(position: int, rule: LearnerRule) -> str:
    active = ' AND s."IsActive"' if rule.active_only and rule.salesforce_object == "User" else ""
    value = value_sql(rule.salesforce_object, rule.salesforce_field, "s")
    return (  # parts come from closed lists that `_rule` checked
        f"SELECT u.id AS user_id, {position} AS position, {quote(rule.name)} AS rule,"
        f' {quote(rule.salesforce_object)} AS object, s."Id" AS salesforce_id'
        f" FROM absorb.users AS u JOIN salesforce.{_TABLES[rule.salesforce_object]} AS s ON s.tenant_id = u.tenant_id"
        f" AND {value} = lower(trim(u.{rule.absorb_field})){active}"
        f" WHERE u.tenant_id = $tenant_id AND trim(u.{rule.absorb_field}) <> '' AND s._removed_at IS NULL"
    )
