"""Users and Contacts of the sandbox org, and the ids of records."""

from __future__ import annotations

import pytest

from connector.sandbox.org.filling import People, populate
from connector.sandbox.org.hooks import HookedOrg
from connector.sandbox.org.rows.ids import checksum, to_18

LEARNERS = [
    {
        "id": f"{number:08d}-0000-4000-8000-000000000000",
        "firstName": "Ann",
        "lastName": f"Learner{number}",
        "username": f"learner{number}",
        "emailAddress": f"Learner{number}@Example.org",
        "externalId": None if number % 10 == 0 else f"EMP-{number}",
    }
    for number in range(1000)
]


def test_everyone_is_known_in_profile_all() -> None:
    org = HookedOrg()
    populate(org, LEARNERS, "all")
    users = org.records("User")
    assert len(users) == 1001
    assert len({user["Id"] for user in users}) == 1001
    by_federation = {user["FederationIdentifier"] for user in users}
    assert all(learner["externalId"] in by_federation for learner in LEARNERS)


def test_profile_mixed_has_the_announced_shares_and_is_repeatable() -> None:
    org, twin = HookedOrg(), HookedOrg()
    populate(org, LEARNERS, "mixed")
    populate(twin, LEARNERS, "mixed")
    users, contacts = org.records("User"), org.records("Contact")
    strip = ("Id", "Email", "FederationIdentifier", "IsActive")
    assert [[u[k] for k in strip] for u in users] == [[u[k] for k in strip] for u in twin.records("User")]
    federated = [u for u in users if u["IsActive"] and u["FederationIdentifier"]]
    assert 440 <= len(federated) <= 560
    assert 120 <= len(contacts) <= 180
    assert 15 <= sum(not u["IsActive"] for u in users) <= 50
    emails = [u["Email"].lower() for u in users if u["IsActive"]]
    assert 15 <= len(emails) - len(set(emails)) <= 50
    assert len({u["Username"] for u in users}) == len(users)
    assert any(u["FederationIdentifier"].islower() for u in federated)
    assert all(u["Id"].startswith("005") and u["Id"][15:] == checksum(u["Id"][:15]) for u in users)


def test_letter_case_varies_only_where_folding_brings_it_back() -> None:
    people = People("mixed")
    people.add_all({"id": f"u{at}", "externalId": f"Straße-{at}"} for at in range(300))
    assert {user["FederationIdentifier"] for user in people.users} <= {f"Straße-{at}" for at in range(300)}


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'all' or 'mixed'"):
        People("some")


def test_published_checksum_example() -> None:
    assert to_18("001A0000006Vm9r") == "001A0000006Vm9rIAC"
    assert to_18("001A0000006Vm9rIAC") == "001A0000006Vm9rIAC"
    assert to_18("001A0000006Vm9rAAA") is None
