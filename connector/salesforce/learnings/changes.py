"""A learning as it is to be beside the one that the org has: bodies of the calls, and old and new for a dry run."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector.push.difference import Item
from connector.push.values import in_org
from connector.salesforce.learnings.models import (
    SINGLE,
    CreateLearning,
    FoundationItem,
    FoundationItemRef,
    Graph,
    LearningInput,
    Requirement,
    RequirementChange,
    UpdateLearning,
)
from mappings import LearningField

KINDS = ("prerequisites", "recommended")
Ids = Mapping[str, str]  # course id → id of its learning
NOT_SERVED = "?"


def named(item: Item, kind: str) -> list[str]:
    """The courses that a learning is to name; a payload without recommendations has no such member."""
    return list(item.payload.get(kind) or ())


def created(item: Item, ids: Ids) -> CreateLearning:
    """The body of a POST. Raises ValidationError."""
    fields = {name: value for name, value in item.payload["learning"].items() if value is not None}
    wanted = {kind: [_requirement(ids[course]) for course in named(item, kind)] for kind in KINDS}
    learning = LearningInput.model_validate(fields)
    return CreateLearning(learning=learning, **{kind: entries for kind, entries in wanted.items() if entries})


def updated(item: Item, there: Graph, ids: Ids, recommended_before: Iterable[str]) -> UpdateLearning:
    """The body of a PATCH. Raises ValidationError.

    Prerequisites on learnings of the catalogue become those of the course. A recommendation is deleted only where
    learnsync made it (`recommended_before`, course ids): people recommend too. All others stay.
    """
    known = {"learningId": there.learning.learning_id, "learningCourseId": there.learning.learning_course_id}
    given = {name: value for name, value in known.items() if value}
    ours = {
        "prerequisites": set(ids.values()),
        "recommended": {ids[course] for course in recommended_before if course in ids},
    }
    changes = {
        kind: _change({ids[course] for course in named(item, kind)}, there.requirements(kind), ours[kind])
        for kind in KINDS
    }
    learning = LearningInput.model_validate(given | item.payload["learning"])
    return UpdateLearning(learning=learning, **{kind: change for kind, change in changes.items() if change})


def _change(wanted: set[str], there: list[FoundationItem], ours: set[str]) -> RequirementChange | None:
    """What to add to the requirements that the org has, and which of ours to delete."""
    missing, gone = set(wanted), []
    for entry in there:
        if wanted & entry.learning_ids:
            missing -= entry.learning_ids
        elif entry.learning_ids and entry.learning_ids <= ours and entry.learning_foundation_item_id:
            gone.append(FoundationItemRef(foundation_item_id=entry.learning_foundation_item_id))
    parts: dict[str, Any] = {}
    if missing:
        parts["create_records"] = [_requirement(learning_id) for learning_id in sorted(missing)]
    if gone:
        parts["delete_records"] = gone
    return RequirementChange(**parts) if parts else None


def _requirement(learning_id: str) -> Requirement:
    return Requirement(type=SINGLE, learning_id=learning_id)


def differences(
    fields: Iterable[LearningField], item: Item, there: Graph | None, ids: Ids, recommended_before: Iterable[str]
) -> list[dict[str, Any]]:
    """{field, old, new} for each field and list of requirements that a push would change.

    A field that the answer of the org does not have is shown with the old value `NOT_SERVED`. Courses stand for their
    learnings.
    """
    old = (there.learning.model_extra or {}) if there else None
    ours = {"prerequisites": set(ids), "recommended": set(recommended_before)}
    found = list(_field_differences(fields, item.payload["learning"], old))
    for kind in KINDS:
        after, held = set(named(item, kind)), _courses(there.requirements(kind) if there else [], ids)
        before = held & (ours[kind] | after)  # the others are not learnsync's to change
        if before != after:
            found.append({"field": kind, "old": _listed(before), "new": _listed(after)})
    return found


def _field_differences(
    fields: Iterable[LearningField], new: Mapping[str, Any], old: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """`old` is None where the org does not have the learning. The type can never change."""
    for field in fields:
        after = _value(new, field)
        unknown = old is not None and not _served(old, field)
        before = NOT_SERVED if unknown else _value(old or {}, field)
        differ = after is not None if unknown else in_org(before, _kind(field)) != in_org(after, _kind(field))
        if differ and field.field != "type":
            yield {"field": field.field, "old": before, "new": after}


def _courses(entries: Iterable[FoundationItem], ids: Ids) -> set[str]:
    """The courses of the catalogue on whose learnings these requirements are."""
    names = {learning: course for course, learning in ids.items()}
    return {names[one] for entry in entries for one in entry.learning_ids if one in names}


def _listed(courses: set[str]) -> str | None:
    return ", ".join(sorted(courses)) or None


def _served(learning: Mapping[str, Any], field: LearningField) -> bool:
    if field.custom is None:
        return field.field in learning
    return field.custom in _custom(learning)


def _value(learning: Mapping[str, Any], field: LearningField) -> Any:
    if field.custom is None:
        return learning.get(field.field)
    return _custom(learning).get(field.custom)


def _custom(learning: Mapping[str, Any]) -> Mapping[str, Any]:
    """The custom fields, of which an answer may have none."""
    found = learning.get("learningCourseCustomFields")
    return found if isinstance(found, Mapping) else {}


def _kind(field: LearningField) -> str:
    """The kind by which `in_org` compares; keys are compared in one letter case by the org, and are our own."""
    return field.kind if field.kind in {"number", "datetime", "checkbox"} else "text"
