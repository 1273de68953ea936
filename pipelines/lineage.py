"""Which columns each column comes from. `mappings/sql` decides it; a test compares these tables with the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import dagster as dg

import mappings
from connector.warehouse.load import MODELS
from connector.warehouse.schema import source_columns

Sources = Mapping[str, tuple[str, ...]]

LEARNING_RECORD: Sources = {
    "id": ("absorb/enrollments.tenant_id", "absorb/enrollments.id", "absorb/enrollments.date_added"),
    "tenant_id": ("absorb/enrollments.tenant_id",),
    "is_deleted": ("absorb/enrollments._removed_at",),
    "deleted_at": ("absorb/enrollments._removed_at",),
    "person_id": ("absorb/enrollments.user_id",),
    "title": ("absorb/courses.name", "absorb/enrollments.course_name"),
    "provider": ("absorb/courses.vendor",),
    "completed_at": ("absorb/enrollments.status", "absorb/enrollments.date_completed"),
    "expires_at": ("absorb/enrollments.date_expires",),
    "score": ("absorb/enrollments.score",),
    "passed": ("absorb/enrollments.status",),
    "certification_ref": ("absorb/enrollments.certificate_id",),
    "linked_cohort_id": ("absorb/session_enrollments.session_id", "absorb/enrollments.course_collection_id"),
    "linked_assessment_id": ("absorb/attempts.id",),
}

_OUR_NOTES = {
    "tenant_id": "LEARNSYNC_TENANT_ID",
    "_due_day": "the day of dateDue where it names a calendar day",
    "_loaded_at": "when learnsync wrote this version of the row",
    "_run_id": "the run that wrote it, in ops.runs",
    "_removed_at": "when the row was found to be gone from Absorb",
}

# Everything that a rule of the status map can look at.
_SITUATION = (
    "absorb/enrollments.status",
    "absorb/enrollments.is_active",
    "absorb/enrollments._removed_at",
    "absorb/enrollments.date_due",
    "absorb/enrollments._due_day",
    "absorb/enrollments.date_completed",
    "absorb/enrollments.date_added",
    "absorb/enrollments.access_date",
    "absorb/enrollments.progress",
)
LEARNING_ITEM_PROGRESS: Sources = {
    "tenant_id": ("absorb/enrollments.tenant_id",),
    "enrollment_id": ("absorb/enrollments.id",),
    "learning_record_id": ("learning_record.id",),
    "user_id": ("absorb/enrollments.user_id",),
    "course_id": ("absorb/enrollments.course_id",),
    "ProgressStatus": _SITUATION,
    "CompletedPercent": ("absorb/enrollments.status", "absorb/enrollments.progress"),
    "CompletedDate": ("absorb/enrollments.status", "absorb/enrollments.date_completed"),
    "CompletedOnDay": (
        "absorb/enrollments.status",
        "absorb/enrollments.date_completed",
        "absorb/enrollments.date_started",
        "absorb/enrollments.date_added",
    ),
    "DaysInProgress": (
        "absorb/enrollments.status",
        "absorb/enrollments.date_completed",
        "absorb/enrollments.date_added",
    ),
    "StartDate": ("absorb/enrollments.date_started",),
    "absorb_status": ("absorb/enrollments.status",),
    "rule": _SITUATION,
    "due_at": ("absorb/enrollments.date_due", "absorb/enrollments._due_day"),
    "is_current": ("absorb/enrollments.is_active", "absorb/enrollments._removed_at"),
}

# Columns of sql/push_courses.sql and sql/push_enrollments.sql, which the field map's `source` names.
PUSH_COURSES: Sources = {
    "course_id": ("absorb/courses.id", "absorb/enrollments.course_id"),
    "name": ("absorb/courses.name", "absorb/enrollments.course_name"),
    "full_name": ("absorb/courses.name", "absorb/enrollments.course_name"),
    "course_type": ("absorb/courses.course_type",),
    "vendor": ("absorb/courses.vendor",),
    "active": ("absorb/courses.active_status", "absorb/courses._removed_at"),
    "external_reference": ("absorb/courses.external_id",),
}
PUSH_ENROLLMENTS: Sources = {
    "enrollment_id": ("learning_item_progress.enrollment_id",),
    "course_id": ("learning_item_progress.course_id", "salesforce/lms_course.Absorb_Course_Id__c"),
    "absorb_status": ("learning_item_progress.absorb_status",),
    "progress_status": ("learning_item_progress.ProgressStatus",),
    "completed_percent": ("learning_item_progress.CompletedPercent",),
    "score": ("learning_record.score",),
    "start_date": ("learning_item_progress.StartDate",),
    "completed_date": ("learning_item_progress.CompletedDate",),
    "due_date": ("learning_item_progress.due_at",),
    "expires_date": ("absorb/enrollments.date_expires",),
    "assigned_date": ("absorb/enrollments.date_added",),
    "completed_on_day": ("learning_item_progress.CompletedOnDay",),
    "certificate_id": ("learning_record.certification_ref",),
    "credits": ("absorb/enrollments.credits",),
    "is_current": ("learning_item_progress.is_current",),
    "removed": ("learning_record.is_deleted",),
    "learning_record_id": ("learning_item_progress.learning_record_id",),
}


def column_lineage(sources: Sources) -> dg.TableColumnLineage:
    """Lineage in Dagster's form."""
    return dg.TableColumnLineage({column: [_dep(source) for source in found] for column, found in sources.items()})


def notes(sources: Sources) -> dict[str, str]:
    """The same in words, for the description of each column."""
    return {column: f"from {', '.join(found)}" for column, found in sources.items()}


def absorb_notes(stream: str) -> dict[str, str]:
    """Which field of Absorb's answer fills each column of absorb.<stream>."""
    return {column.name: f"from {' or '.join(column.keys)}" for column in source_columns(MODELS[stream])} | _OUR_NOTES


def pushed_lineage(maps: mappings.Mapping, object_name: str) -> dg.TableColumnLineage:
    """Lineage of a Salesforce object by its field map; a source column that a custom SQL file adds has none."""
    known = PUSH_COURSES if object_name == "LMS_Course__c" else {**PUSH_ENROLLMENTS, **_matched(maps.learner_rules)}
    fields = maps.object_fields(object_name)
    return column_lineage({field.field: known[field.source] for field in fields if field.source in known})


def _matched(rules: Iterable[mappings.LearnerRule]) -> Sources:
    """The Salesforce ids come from whatever the learner rules compare."""
    compared = tuple(dict.fromkeys(f"absorb/users.{rule.absorb_field}" for rule in rules))
    learner = ("learning_item_progress.user_id", *compared)
    return {"salesforce_user_id": learner, "salesforce_contact_id": learner}


def _dep(source: str) -> dg.TableColumnDep:
    asset, _, column = source.rpartition(".")
    return dg.TableColumnDep(asset_key=dg.AssetKey(asset.split("/")), column_name=column)
