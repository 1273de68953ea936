"""The shipped metadata: well-formed, complete against the documented fields, and what the sandbox serves."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from connector.sandbox.org.rows.values import FORMULAS
from connector.sandbox.org.schema.builtin import fields_of
from connector.sandbox.org.schema.metadata import load_custom_objects

ROOT = Path(__file__).parents[2] / "mappings" / "salesforce"
SOURCE = ROOT / "force-app" / "main" / "default"
NS = "{http://soap.sforce.com/2006/04/metadata}"
EDUCATION = ROOT / "education-cloud" / "main" / "default"
FILES = sorted([*SOURCE.rglob("*.xml"), *EDUCATION.rglob("*.xml")])
SCHEMAS = {schema.name: schema for schema in load_custom_objects()}

ENROLLMENT_FIELDS = {
    "Absorb_Enrollment_Id__c": "string",
    "LMS_Course__c": "reference",
    "Learner_User__c": "reference",
    "Learner_Contact__c": "reference",
    "Absorb_Status__c": "picklist",
    "Progress_Status__c": "picklist",
    "Completed_Percent__c": "percent",
    "Score__c": "double",
    "Start_Date__c": "datetime",
    "Completed_Date__c": "datetime",
    "Due_Date__c": "datetime",
    "Expires_Date__c": "datetime",
    "Assigned_Date__c": "datetime",
    "Completed_On_Day__c": "double",
    "Certificate_Id__c": "string",
    "Credits__c": "double",
    "Is_Current__c": "boolean",
    "Removed__c": "boolean",
    "Learning_Record_Id__c": "string",
    "Progress_Rule__c": "string",
    "Days_In_Progress__c": "double",
    "Expired__c": "boolean",
}
ABSORB_STATUSES = [
    "NotStarted",
    "InProgress",
    "PendingApproval",
    "Complete",
    "NotComplete",
    "Failed",
    "Declined",
    "PendingEvaluationRequired",
    "OnWaitlist",
    "Absent",
    "NotApplicable",
    "PendingProctor",
    "ReadyForReview",
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_well_formed_and_named_after_what_it_defines(path: Path) -> None:
    root = ET.parse(path).getroot()
    kind = path.name.split(".")[1].removesuffix("-meta")
    roots = {
        "object": "CustomObject",
        "field": "CustomField",
        "listView": "ListView",
        "permissionset": "PermissionSet",
        "tab": "CustomTab",
        "report": "Report",
        "reportFolder": "ReportFolder",
        "layout": "Layout",
        "app": "CustomApplication",
        "group": "Group",
        "sharingRules": "SharingRules",
    }
    assert root.tag == NS + roots[kind]
    full_name = root.findtext(f"{NS}fullName")
    assert full_name in {None, path.name.split(".")[0]}


@pytest.mark.parametrize("path", [p for p in FILES if ".field-meta" in p.name], ids=lambda path: path.name)
def test_every_field_says_what_it_is(path: Path) -> None:
    assert len(ET.parse(path).getroot().findtext(f"{NS}description") or "") > 15


def test_project_file_names_the_package_folders() -> None:
    project = json.loads((ROOT / "sfdx-project.json").read_text())
    # The second is deployed apart, for it needs an org with Education Cloud.
    assert project["packageDirectories"] == [{"path": "force-app", "default": True}, {"path": "education-cloud"}]
    assert project["sourceApiVersion"] == "67.0"


def test_enrollment_has_the_documented_fields() -> None:
    custom = {f.name: f.type for f in SCHEMAS["LMS_Enrollment__c"].fields.values() if f.name.endswith("__c")}
    assert custom == ENROLLMENT_FIELDS


@pytest.mark.parametrize(
    ("object_name", "key"),
    [("LMS_Course__c", "Absorb_Course_Id__c"), ("LMS_Enrollment__c", "Absorb_Enrollment_Id__c")],
)
def test_upsert_keys_are_required_unique_external_ids(object_name: str, key: str) -> None:
    field = SCHEMAS[object_name].fields[key.lower()]
    assert (field.length, field.unique, field.external_id, field.required) == (36, True, True, True)
    assert SCHEMAS[object_name].indexed == [key]


def test_picklists_are_restricted_and_complete() -> None:
    fields = SCHEMAS["LMS_Enrollment__c"].fields
    assert list(fields["absorb_status__c"].picklist) == ABSORB_STATUSES
    assert list(fields["progress_status__c"].picklist) == list(
        fields_of("LearningItemProgress")["progressstatus"].picklist
    )
    assert fields["absorb_status__c"].restricted_picklist
    assert fields["progress_status__c"].restricted_picklist


def test_lookups_have_relationship_names_that_differ_per_parent() -> None:
    fields = SCHEMAS["LMS_Enrollment__c"].fields
    assert fields["lms_course__c"].relationship_name == "LMS_Course__r"
    assert fields["learner_user__c"].reference_to == "User"
    assert fields["learner_contact__c"].reference_to == "Contact"


def test_formula_is_one_the_sandbox_can_evaluate() -> None:
    formulas = {f.formula for s in SCHEMAS.values() for f in s.fields.values() if f.formula}
    assert formulas == set(FORMULAS)


def test_integration_permission_set_covers_exactly_the_writable_fields() -> None:
    root = ET.parse(SOURCE / "permissionsets" / "LearnSync_Integration.permissionset-meta.xml").getroot()
    granted = {
        node.findtext(f"{NS}field"): node.findtext(f"{NS}editable") == "true"
        for node in root.findall(f"{NS}fieldPermissions")
    }
    # A required field may not be listed: access comes with the object, and a deploy that lists it fails.
    wanted = {
        f"{schema.name}.{field.name}": field.formula is None
        for schema in SCHEMAS.values()
        for field in schema.fields.values()
        if field.name.endswith("__c") and not field.required
    }
    assert granted == wanted
    for node in root.findall(f"{NS}objectPermissions"):
        assert node.findtext(f"{NS}allowCreate") == node.findtext(f"{NS}allowEdit") == "true"
        assert node.findtext(f"{NS}allowDelete") == "false"


def texts(path: str, tag: str) -> list[str]:
    """What the elements of that name say, in a file of the package."""
    return [node.text or "" for node in ET.parse(SOURCE / path).getroot().iter(NS + tag)]


@pytest.mark.parametrize(("object_name", "label"), [("LMS_Course__c", "Course"), ("LMS_Enrollment__c", "Enrollment")])
def test_every_field_is_on_the_page_layout_that_an_org_gives_the_object(object_name: str, label: str) -> None:
    """It is named as the org names the one it makes, so that a deploy fills that one."""
    path = f"layouts/{object_name}-LMS {label} Layout.layout-meta.xml"
    items = ET.parse(SOURCE / path).getroot().iter(f"{NS}layoutItems")
    shown = {item.findtext(f"{NS}field"): item.findtext(f"{NS}behavior") for item in items}
    custom = {f.name: f for f in SCHEMAS[object_name].fields.values() if f.name.endswith("__c")}
    # A field that records require must be on a layout; the others are learnsync's to write.
    wanted = {name: "Required" if field.required else "Readonly" for name, field in custom.items()}
    assert {name: behavior for name, behavior in shown.items() if name in custom or name.endswith("__c")} == wanted
    assert len(shown) == len(texts(path, "field"))


def test_the_app_has_both_tabs_and_viewers_see_it() -> None:
    assert {"LMS_Course__c", "LMS_Enrollment__c"} <= set(texts("applications/LearnSync.app-meta.xml", "tabs"))
    assert texts("applications/LearnSync.app-meta.xml", "uiType") == ["Lightning"]
    viewer = "permissionsets/LearnSync_Viewer.permissionset-meta.xml"
    assert texts(viewer, "application") == ["LearnSync"]
    integration = texts("permissionsets/LearnSync_Integration.permissionset-meta.xml", "field")
    assert texts(viewer, "field") == integration
    assert texts(viewer, "editable") == ["false"] * len(integration)


def test_the_sharing_rule_opens_every_enrollment_to_a_group_that_ships() -> None:
    path = "sharingRules/LMS_Enrollment__c.sharingRules-meta.xml"
    (group,) = texts(path, "group")
    assert (SOURCE / "groups" / f"{group}.group-meta.xml").is_file()
    assert texts(path, "accessLevel") == ["Read"]
    assert texts(path, "field") == ["Progress_Status__c"]
    values = SCHEMAS["LMS_Enrollment__c"].fields["progress_status__c"].picklist
    assert texts(path, "value")[0].split(",") == list(values)


@pytest.mark.parametrize("name", ["All", "Expired", "Overdue", "Removed"])
def test_a_list_view_names_only_fields_that_the_object_has(name: str) -> None:
    path = f"objects/LMS_Enrollment__c/listViews/{name}.listView-meta.xml"
    known = {field.name for field in SCHEMAS["LMS_Enrollment__c"].fields.values()} | {"NAME"}
    assert set(texts(path, "columns") + texts(path, "field")) <= known
    assert len(texts(path, "columns")) <= 15  # as many as a list view may have


REPORTS = sorted((SOURCE / "reports").rglob("*.report-meta.xml"))


def test_there_are_reports_and_list_views() -> None:
    assert [path.name.split(".")[0] for path in REPORTS] == [
        "Expired_By_Course",
        "Overdue_By_Course",
        "Progress_By_Course",
    ]
    views = {path.name.split(".")[0] for path in SOURCE.rglob("LMS_Enrollment__c/listViews/*.xml")}
    assert views == {"All", "Expired", "Overdue", "Removed"}


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_a_report_names_only_fields_that_the_object_has(path: Path) -> None:
    """Its report type is the one that an org makes for each custom object that allows reports."""
    root = ET.parse(path).getroot()
    assert root.findtext(f"{NS}reportType") == "CustomEntity$LMS_Enrollment__c"
    assert (path.parent.parent / f"{path.parent.name}.reportFolder-meta.xml").is_file()
    definition = ET.parse(SOURCE / "objects" / "LMS_Enrollment__c" / "LMS_Enrollment__c.object-meta.xml").getroot()
    assert definition.findtext(f"{NS}enableReports") == "true"
    named = [node.text or "" for tag in ("field", "column") for node in root.iter(NS + tag)]
    known = {f"LMS_Enrollment__c.{field.name}" for field in SCHEMAS["LMS_Enrollment__c"].fields.values()}
    assert named
    assert set(named) <= known | {"CUST_NAME"}
    # A field that groups the rows may not be a column as well: a deploy that says both fails.
    grouped = {node.findtext(f"{NS}field") for node in root.findall(f"{NS}groupingsDown")}
    assert not grouped & {node.findtext(f"{NS}field") for node in root.findall(f"{NS}columns")}
    for node in root.iter(f"{NS}criteriaItems"):
        field = SCHEMAS["LMS_Enrollment__c"].fields[(node.findtext(f"{NS}column") or "").split(".")[1].lower()]
        if field.picklist:
            assert set((node.findtext(f"{NS}value") or "").split(",")) <= set(field.picklist)
    # Limits of the report builder.
    assert len(root.findtext(f"{NS}name") or "") <= 40
    assert len(root.findtext(f"{NS}description") or "") <= 255
