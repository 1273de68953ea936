"""Made-up departments and users (field list: docs/facts/absorb.md section 5)."""

import tomllib
from importlib import resources
from typing import Any

from connector.sandbox.kit.randomness import Dice
from connector.sandbox.portal.schema import ALL
from connector.sandbox.portal.state import Row

ACCOUNT = "integration.admin"
# The words that people, courses and departments are made of.
_WORDS = tomllib.loads(resources.files("connector.sandbox.portal").joinpath("vocabulary.toml").read_text("utf-8"))
FIRST_NAMES: list[str] = _WORDS["first_names"]
LAST_NAMES: list[str] = _WORDS["last_names"]
JOB_TITLES: list[str] = _WORDS["job_titles"]
CITIES: list[str] = _WORDS["cities"]
TOPICS: list[str] = _WORDS["topics"]
LEVELS: list[str] = _WORDS["levels"]
VENDORS: list[str] = _WORDS["vendors"]
# Department → the one above it; the root comes first, above none.
DEPARTMENTS: dict[str, str] = _WORDS["departments"]


def make_departments(dice: Dice, now: int) -> list[Row]:
    """A small tree under one root."""
    made: dict[str, Row] = {}
    for name, parent in DEPARTMENTS.items():
        stamp = dice.instant(now - dice.days(1500, 2500))
        made[name] = department(dice.guid(), name, made[parent]["id"] if parent else None, stamp)
    return list(made.values())


def department(row_id: str, name: str, parent_id: str | None, stamp: str) -> Row:
    """A complete department resource."""
    return ALL["departments"].blank | {
        "id": row_id,
        "name": name,
        "useDepartmentContactDetails": False,
        "companyName": "Example Ltd",
        "externalId": f"DEP-{name.upper().replace(' ', '-')}",
        "parentId": parent_id,
        "dateEdited": stamp,
        "dateAdded": stamp,
    }


def make_users(dice: Dice, now: int, count: int, departments: list[Row]) -> list[Row]:
    """People of every kind: with and without externalId and emailAddress, active and not."""
    return [_user(dice, now, number, departments) for number in range(count)]


def _user(dice: Dice, now: int, number: int, departments: list[Row]) -> Row:
    first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
    home = str(dice.choice(departments)["id"])
    added = now - dice.days(30, 1400)
    seen = min(now - 60, added + dice.days(0, 1400))
    return user(
        id=dice.guid(),
        number=number,
        first=first,
        last=last,
        domain="example.com" if dice.chance(0.7) else "example.org",
        # Foreign keys come in upper case now and then: guids compare without case.
        departmentId=home.upper() if dice.chance(0.05) else home,
        dateAdded=dice.instant(added),
        dateEdited=dice.instant(seen),
    ) | {
        "emailAddress": None if dice.chance(0.03) else _email(first, last, number, dice),
        "externalId": None if dice.chance(0.08) else f"E{100_000 + number}",
        "jobTitle": dice.choice(JOB_TITLES) if dice.chance(0.8) else None,
        "city": dice.choice(CITIES) if dice.chance(0.6) else None,
        "activeStatus": int(dice.chance(0.06)),
        "isManager": dice.chance(0.1),
        # The sandbox's own account is a person too: "my enrollments" are this one's.
        **({"isAdmin": True, "username": ACCOUNT} if number == 0 else {}),
        "lastLoginDate": dice.instant(seen) if dice.chance(0.85) else None,
    }


def user(*, number: int, first: str, last: str, domain: str, **values: Any) -> Row:
    """A complete user resource; what is optional and not among the values is empty."""
    name = ascii_name(f"{first}.{last}")
    return ALL["users"].blank | {
        "firstName": first,
        "lastName": last,
        "username": f"{name}.{number}",
        "emailAddress": f"{name}.{number}@{domain}",
        "externalId": f"E{100_000 + number}",
        "gender": 0,
        "activeStatus": 0,
        "isLearner": True,
        "isAdmin": False,
        "isInstructor": False,
        "isManager": False,
        "hasUsername": True,
        **values,
    }


def _email(first: str, last: str, number: int, dice: Dice) -> str:
    domain = "example.com" if dice.chance(0.7) else "example.org"
    address = f"{ascii_name(first)}.{ascii_name(last)}.{number}@{domain}"
    # Some addresses are in title case: matching must not depend on case.
    return address.title() if dice.chance(0.04) else address


def ascii_name(text: str) -> str:
    """Letters that fit into an address."""
    plain = text.lower().translate(str.maketrans("éóúíøåëöçñ", "eouioaeocn"))
    return "".join(letter for letter in plain if letter.isascii() and (letter.isalpha() or letter == "."))
