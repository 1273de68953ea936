"""The loader refuses a map that is malformed or leaves a case undecided, and says in which file and line."""

# ruff: noqa: E501 - tables read best with one row per line
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mappings
from connector.canonical import load_maps
from connector.errors import MappingError as ConnectorMappingError
from connector.settings import load_settings
from mappings import PROGRESS_STATUSES, MappingError, load_mapping
from mappings.statuses import decide, situations

PACKAGED = Path(mappings.__file__).parent
FILES = (
    "absorb_statuses.csv",
    "progress_status.csv",
    "learner_matching.csv",
    "learner_crosswalk.csv",
    "salesforce_fields.csv",
    "learning_items.csv",
    "parameters.toml",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An override folder that holds a copy of each packaged map."""
    found = tmp_path / "maps"
    found.mkdir()
    for name in FILES:
        (found / name).write_text((PACKAGED / name).read_text("utf-8"), "utf-8")
    return found


def replace(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} must occur once in {name}"
    (folder / name).write_text(text.replace(old, new), "utf-8")


def line_of(folder: Path, name: str, start: str) -> int:
    lines = (folder / name).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_the_packaged_maps_are_sound() -> None:
    mapping = load_mapping()
    assert list(mapping.statuses) == list(range(13))
    assert [rule.name for rule in mapping.rules] == [
        "completed_late", "completed_on_time", "completed", "removed", "learner_inactive", "historical", "withdrawn",
        "waiting_to_start", "awaiting_review", "long_overdue", "overdue", "unsuccessful", "not_started", "in_progress",
        "behind", "on_track",
    ]  # fmt: skip
    assert (mapping.no_longer_tracking_after_days, mapping.pace_tolerance) == (None, 10.0)
    assert [rule.name for rule in mapping.learner_rules] == ["federation_identifier", "user_email", "contact_email"]
    assert {rule.progress_status for rule in mapping.rules} == set(PROGRESS_STATUSES)
    assert all(rule.why.endswith(".") for rule in mapping.rules), "a sentence for people"


def test_every_situation_has_exactly_one_first_rule() -> None:
    mapping = load_mapping()
    found = [decide(mapping.rules, situation) for situation in situations(list(mapping.statuses))]
    assert None not in found
    assert len(found) > 1_000


def test_a_full_copy_means_the_same_as_the_package(folder: Path) -> None:
    assert load_mapping(folder).rules == load_mapping().rules
    assert load_mapping(folder).fields == load_mapping().fields


# (file, text to replace, replacement, the line at fault or None, words of the message)
BROKEN = [
    ("progress_status.csv", "not_started,any,any,0,any,any,any,any,NotStarted,The learner has not begun.", "", None, ["no rule decides", "status=0"]),
    ("progress_status.csv", "on_track,any,any,1,any,any,any,any,OnTrack", "on_track,any,any,1,any,any,any,none,OnTrack", None, ["no rule decides", "status=1", "pace=on_track"]),
    ("progress_status.csv", "removed,yes,any,any,any,any,any,any,NoLongerTracking", "removed,any,any,any,any,any,any,any,NoLongerTracking", None, ["'learner_inactive' can never apply"]),
    ("progress_status.csv", "\nhistorical,any", "\nidle,no,any,3,yes,any,late,any,Completed,\nhistorical,any", None, ["'idle' can never apply"]),
    ("progress_status.csv", "behind,Behind,", "behind,Late,", "behind,", ["'Late'", "ProgressStatus"]),
    ("progress_status.csv", "behind,Behind,", "behind,behind,", "behind,", ["'behind'", "ProgressStatus"]),
    ("progress_status.csv", "behind,Behind,", "behind,,", "behind,", ["ProgressStatus"]),
    ("progress_status.csv", "withdrawn,any,any,6 10,", "withdrawn,any,any,6 13,", "withdrawn,", ["status is '6 13'"]),
    ("progress_status.csv", "withdrawn,any,any,6 10,", "withdrawn,any,any,6;10,", "withdrawn,", ["status is '6;10'"]),
    ("progress_status.csv", "withdrawn,any,any,6 10,", "withdrawn,maybe,any,6 10,", "withdrawn,", ["removed is 'maybe'"]),
    ("progress_status.csv", "withdrawn,any,any,6 10,any,", "withdrawn,any,any,6 10,,", "withdrawn,", ["is_active is ''"]),
    ("progress_status.csv", "any,any,any,long_overdue,any,any", "any,any,any,very_overdue,any,any", "long_overdue,", ["due is 'very_overdue'"]),
    ("progress_status.csv", "removed,yes,any,", "removed,yes,gone,", "removed,", ["learner is 'gone'", "active inactive"]),
    ("progress_status.csv", "any,any,late,any", "any,any,any late,any", "completed_late,", ["completion is 'any late'"]),
    ("progress_status.csv", "behind,Behind,", "slow,Behind,", "behind,", ["pace is 'slow'"]),
    ("progress_status.csv", "\nhistorical,any", "\nwithdrawn,any", None, ["'withdrawn' occurs twice"]),
    ("progress_status.csv", "\nhistorical,any", "\nHistorical,any", "Historical,", ["'Historical' must be a lower-case name"]),
    ("progress_status.csv", "\nhistorical,any", "\nit's,any", "it's", ["must be a lower-case name"]),
    ("progress_status.csv", "pace_tolerance points under a straight line from start to due date.\non_track", "pace_tolerance points, under a straight line\non_track", "behind,", ["needs exactly 10 cells"]),
    ("progress_status.csv", "behind,Behind,", "behind,Behind,extra,", "behind,", ["needs exactly 10 cells"]),
    ("progress_status.csv", "rule,removed,learner,status,is_active", "rule,removed,learner,state,is_active", None, ["the header must be rule,removed,learner,status"]),
    ("absorb_statuses.csv", "\n12,ReadyForReview", "\ntwelve,ReadyForReview", "twelve,", ["a new whole number and a label"]),
    ("absorb_statuses.csv", "\n12,ReadyForReview", "\n11,ReadyForReview", "11,ReadyForReview", ["a new whole number and a label"]),
    ("absorb_statuses.csv", "\n12,ReadyForReview", "\n12,", "12,", ["a new whole number and a label"]),
    ("absorb_statuses.csv", "\n12,ReadyForReview", "\n12,ReadyForReview\n13,Paused", None, ["no rule decides", "status=13"]),
    ("absorb_statuses.csv", "code,label", "code;label", None, ["the header must be code,label"]),
    ("absorb_statuses.csv", "\n12,ReadyForReview", "", "awaiting_review,", ["progress_status.csv", "status is '7 11 12'"]),
    ("learner_matching.csv", "user_email,email_address,", "user_email,mail,", "user_email,", ["absorb_field must be one of external_id"]),
    ("learner_matching.csv", "User.Email,yes", "Lead.Email,yes", "user_email,", ["salesforce must be a field of User or Contact"]),
    ("learner_matching.csv", "User.Email,yes", "User.Email,true", "user_email,", ["active_only yes or no"]),
    ("learner_matching.csv", "\ncontact_email,", "\nuser_email,", None, ["'user_email' occurs twice"]),
    ("learner_matching.csv", "\ncontact_email,", "\ncontact email,", "contact email,", ["must be a lower-case name"]),
    ("learner_matching.csv", "User.Email,yes", "User.Email", "user_email,", ["needs exactly 4 cells"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nname,ada,0055g00000AbCdE,", "name,ada", ["learner_by must be one of id, external_id, username"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,,0055g00000AbCdE,", "username,", ["learner must not be empty"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nid,ada,0055g00000AbCdE,", "id,ada", ["'ada' is not the id of an Absorb learner"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,ada,,", "username,ada", ["salesforce_id '' must be the id of a User", "or nobody"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,ada,0055g00000AbCd,", "username,ada", ["15 or 18 characters"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,ada,0015g00000AbCdE,", "username,ada", ["a User (005…) or a Contact (003…)"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,ada,0055g00000abcdeIAD,", "username,ada", ["is mistyped: its last three characters"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,ada,0055g00000AbCdE,\nusername,ADA,nobody,", "username,ADA", ["the learner with username 'ADA' is in line", "already"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce_id,tenant_id\nusername,ada,0055g00000AbCdE", "username,ada", ["needs exactly 4 cells"]),
    ("learner_crosswalk.csv", "learner_by,learner,salesforce_id,tenant_id", "learner_by,learner,salesforce,tenant_id", "learner_by,learner,salesforce,", ["the header must be learner_by,learner,salesforce_id,tenant_id"]),
    ("learner_matching.csv", "User.Email,yes", "User.Account.Name,yes", "user_email,", ["salesforce must be a field of User or Contact"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Vendor__c,vendor,string,no", "LMS_Course__c,Vendor__c", ["kind must be one of text"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Vendor__c,vendor,text,perhaps", "LMS_Course__c,Vendor__c", ["required yes or no"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Vendor-Name,vendor,text,no", "LMS_Course__c,Vendor-Name", ["must be API names"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Vendor__c,vendor; drop,text,no", "LMS_Course__c,Vendor__c", ["source a column name"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Vendor__r.Name,vendor,text,no", "LMS_Course__c,Vendor__r", ["a parent is written"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Vendor__c,vendor,parent,no", "LMS_Course__c,Vendor__c", ["a parent is written"]),
    ("salesforce_fields.csv", "Vendor__c,vendor,text,no", "Name,vendor,text,no", None, ["'LMS_Course__c.Name' occurs twice"]),
    ("salesforce_fields.csv", "vendor,text,no,255", "vendor,text,no,0", "LMS_Course__c,Vendor__c", ["longest is a number"]),
    ("salesforce_fields.csv", "active,checkbox,no,", "active,checkbox,no,9", "LMS_Course__c,Active__c", ["for a text only"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\ncode,C1,name,X", "code,C1", ["course_by must be one of id, external_id, name"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\nname,C1,title,X", "name,C1", ["item_by one of id, name"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\nname,C1,name,", "name,C1", ["must not be empty"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\nid,C1,name,X", "id,C1", ["'C1' is not the id of an Absorb course"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\nname,C1,id,0zs-x", "name,C1", ["'0zs-x' is not a Salesforce id"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\nname,C1,name,X\nname,c1,name,Y", None, ["the course with name 'c1' occurs twice"]),
    ("learning_items.csv", "course_by,course,item_by,item", "course_by,course,item_by,item\nname,C1,name", "name,C1", ["needs exactly 4 cells"]),
    ("parameters.toml", '= "never"', "= -1", None, ["no_longer_tracking_after_days must be"]),
    ("parameters.toml", '= "never"', "= 30.5", None, ["no_longer_tracking_after_days must be"]),
    ("parameters.toml", '= "never"', "= true", None, ["no_longer_tracking_after_days must be"]),
    ("parameters.toml", '= "never"', '= "Never"', None, ["no_longer_tracking_after_days must be", '"never"']),
    ("parameters.toml", '= "never"', "= 36501", None, ["no_longer_tracking_after_days must be"]),
    ("parameters.toml", "= 10", "= 101", None, ["pace_tolerance must be"]),
    ("parameters.toml", "= 10", "= -0.1", None, ["pace_tolerance must be"]),
    ("parameters.toml", "= 10", "= nan", None, ["pace_tolerance must be"]),
    ("parameters.toml", "= 10", '= "10"', None, ["pace_tolerance must be"]),
    ("parameters.toml", "= 10", "= 10\npace = 3", None, ["unknown parameter pace"]),
    ("parameters.toml", "= 10", "= ", None, ["cannot be read"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "line", "words"), BROKEN)
def test_a_broken_map_is_refused_where_it_is_broken(
    folder: Path, name: str, old: str, new: str, line: str | None, words: list[str]
) -> None:
    replace(folder, name, old, new)
    with pytest.raises(MappingError) as refusal:
        load_mapping(folder)
    message = str(refusal.value)
    assert all(word in message for word in words), message
    if line is None:
        assert name in message or "progress_status.csv" in message
    else:
        at_fault = (
            name if name != "absorb_statuses.csv" or not line.startswith("awaiting_review") else "progress_status.csv"
        )
        number = line_of(folder, at_fault, line)
        if line == "12,":
            number = line_of(folder, at_fault, "11,") + 1
        assert f"{at_fault} line {number}" in message


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_utf_8_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe\x00rule")
    with pytest.raises(MappingError, match=name):
        load_mapping(folder)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".csv")])
def test_an_empty_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_text("", "utf-8")
    with pytest.raises(MappingError, match=name):
        load_mapping(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("\nhistorical,any", '\n"historical,any', id="never closed"),
        pytest.param("\nhistorical,any,any,any,no", '\nhistorical,any,any,any,"no\n"', id="closed on the next line"),
        pytest.param("\nhistorical,any", '\n"historical"x,any', id="closed too early"),
    ],
)
def test_a_misplaced_quote_is_refused_by_name(folder: Path, old: str, new: str) -> None:
    replace(folder, "progress_status.csv", old, new)
    with pytest.raises(MappingError, match="progress_status"):
        load_mapping(folder)


def test_comments_blank_lines_and_a_byte_order_mark_do_no_harm(folder: Path) -> None:
    path = folder / "progress_status.csv"
    text = path.read_text("utf-8").replace("\nhistorical", "\n\n# a remark, with commas,\nhistorical")
    path.write_text("\ufeff" + text.replace("\n", "\r\n"), "utf-8")
    assert load_mapping(folder).rules == load_mapping().rules


@pytest.mark.parametrize(("value", "days"), [("0", 0), ("36500", 36_500), ('"never"', None)])
def test_the_days_until_tracking_ends(folder: Path, value: str, days: int | None) -> None:
    replace(folder, "parameters.toml", '= "never"', f"= {value}")
    assert load_mapping(folder).no_longer_tracking_after_days == days


@pytest.mark.parametrize(("value", "points"), [("0", 0.0), ("100", 100.0), ("2.5", 2.5)])
def test_the_pace_tolerance(folder: Path, value: str, points: float) -> None:
    replace(folder, "parameters.toml", "= 10", f"= {value}")
    assert load_mapping(folder).pace_tolerance == points


@pytest.mark.parametrize("name", FILES)
def test_an_override_folder_replaces_file_by_file(folder: Path, name: str) -> None:
    changes: dict[str, tuple[str, str, Callable[[mappings.Mapping], object], object]] = {
        "absorb_statuses.csv": ("0,NotStarted", "0,Not started", lambda m: m.statuses[0], "Not started"),
        "progress_status.csv": ("behind,Behind,", "behind,OnTrack,", lambda m: m.rules[14].progress_status, "OnTrack"),
        "learner_matching.csv": ("User.Email,yes", "User.Username,yes", lambda m: m.learner_rules[1].salesforce_field, "Username"),
        "learner_crosswalk.csv": ("salesforce_id,tenant_id", "salesforce_id,tenant_id\nusername,ada,nobody,acme", lambda m: [(i.learner, i.salesforce_id, i.tenant_id) for i in m.manual], [("ada", "", "acme")]),
        "salesforce_fields.csv": ("Vendor__c,vendor,text,no", "Maker__c,vendor,text,no", lambda m: m.fields[4].field, "Maker__c"),
        "learning_items.csv": ("item_by,item", "item_by,item\nname,A,name,B", lambda m: [i.item for i in m.items], ["B"]),
        "parameters.toml": ('= "never"', "= 45", lambda m: m.no_longer_tracking_after_days, 45),
    }  # fmt: skip
    old, new, read, expected = changes[name]
    for other in FILES:
        if other != name:
            (folder / other).unlink()
    replace(folder, name, old, new)
    assert read(load_mapping()) != expected
    assert read(load_mapping(folder)) == expected


def test_an_override_folder_may_replace_the_sql(folder: Path) -> None:
    (folder / "sql").mkdir()
    (folder / "sql" / "macros.sql").write_text("-- {{pace_tolerance}}", "utf-8")
    assert load_mapping(folder).sql("macros") == "-- 10.0"
    assert load_mapping(folder).sql("learning_record") == load_mapping().sql("learning_record")


def test_a_label_with_a_quote_cannot_leave_its_sql_literal(folder: Path) -> None:
    replace(folder, "absorb_statuses.csv", "0,NotStarted", "0,Hasn't started")
    assert "WHEN 0 THEN 'Hasn''t started'" in load_mapping(folder)._parts()["status_labels"]


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_wrong_folder_names_the_setting(tmp_path: Path, kind: str) -> None:
    wrong = tmp_path / "nowhere"
    if kind == "a file":
        wrong.write_text("", "utf-8")
    with pytest.raises(ConnectorMappingError, match=r"LEARNSYNC_MAPPING__DIR = .*nowhere"):
        load_maps(load_settings(mapping={"dir": wrong}))


def test_a_broken_override_names_the_setting_and_exits_2(folder: Path) -> None:
    replace(folder, "parameters.toml", '= "never"', "= -1")
    with pytest.raises(ConnectorMappingError, match="LEARNSYNC_MAPPING__DIR") as refusal:
        load_maps(load_settings(mapping={"dir": folder}))
    assert refusal.value.exit_code == 2


def test_a_field_map_without_lengths_has_those_of_the_packaged_one(tmp_path: Path) -> None:
    """As it was written before the column `longest` came."""
    lines = (PACKAGED / "salesforce_fields.csv").read_text("utf-8").splitlines()
    rows = [line.rpartition(",")[0] for line in lines if not line.startswith("#")]
    rows += ["LMS_Course__c,Long_Name__c,full_name,text,no", "LMS_Course__c,Notes__c,notes,text,no"]
    (tmp_path / "salesforce_fields.csv").write_text("\n".join(rows) + "\n", "utf-8")
    fields = load_mapping(tmp_path).fields
    assert fields[:-2] == load_mapping().fields
    assert [field.longest for field in fields[-2:]] == [255, None]


def test_a_crosswalk_of_learners_needs_no_column_for_the_tenant(tmp_path: Path) -> None:
    lines = "learner_by,learner,salesforce_id\nusername,ada,0055g00000AbCdE\nid,3F2504E0-4F89-41D3-9A0C-0305E82C3301,NOBODY\n"
    (tmp_path / "learner_crosswalk.csv").write_text(lines, "utf-8")
    found = [
        (one.line, one.salesforce_object, one.salesforce_id, one.tenant_id) for one in load_mapping(tmp_path).manual
    ]
    assert found == [(2, "User", "0055g00000AbCdE", ""), (3, "", "", "")]


def test_a_rule_may_compare_any_field_of_a_person(tmp_path: Path) -> None:
    rows = "rule,absorb_field,salesforce,active_only\na,username,User.Employee_Id__c,no\nb,username,Contact.email,no\n"
    (tmp_path / "learner_matching.csv").write_text(rows, "utf-8")
    found = [(one.salesforce_object, one.salesforce_field) for one in load_mapping(tmp_path).learner_rules]
    assert found == [("User", "Employee_Id__c"), ("Contact", "Email")]
