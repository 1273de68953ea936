"""Bodies of the Learnings Graph, in and out (docs/facts/salesforce.md section 6).

Every field that the vendor's page and its reference name. Requests refuse unknown fields;
answers keep only what is used, and read both spellings where the documents contradict themselves.
"""

from typing import Annotated, Any, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, FailFast, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

COURSE = "Learning Course"
SINGLE = "Single Achievement"


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")

    def body(self) -> dict[str, Any]:
        """As JSON: only what was given, nulls included, for a null clears a field."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class LearningInput(_Body):
    """The learning itself. `learning_id` is printed as required, yet belongs to PATCH only: POST's sample has none."""

    type: str
    learning_id: str | None = None
    learning_course_id: str | None = None
    learning_program_id: str | None = None
    name: str | None = None
    provider: str | None = None  # id of an Account
    description: str | None = None
    course_level_description: str | None = None
    subject_abbreviation: str | None = None
    field_of_study: str | None = None
    # A string in the table of properties, a number in the samples.
    course_number: str | int | float | None = None
    active: bool | None = None
    active_from_date: str | None = None
    active_to_date: str | None = None
    duration: float | None = None
    duration_unit: str | None = None
    cip_code: str | None = None
    academic_level: str | None = None
    top_level_program: bool | None = None
    learning_course_custom_fields: dict[str, Any] | None = None
    learning_program_custom_fields: dict[str, Any] | None = None


class ExternalId(_Body):
    """A learning named by a custom field in place of its id."""

    field_name: str
    field_value: str


class Contributor(_Body):
    """One of the learnings that make up a group achievement."""

    id: str | None = None
    type: str | None = None
    minimum_grade: float | None = None
    course_external_id: ExternalId | None = None
    program_external_id: ExternalId | None = None


class Requirement(_Body):
    """A prerequisite, corequisite, recommendation or outcome; `type` says which of the fields apply."""

    type: str
    learning_id: str | None = None
    learning_achievement_id: str | None = None
    learning_outcome_id: str | None = None
    course_external_id: ExternalId | None = None
    is_primary: bool | None = None
    minimum_grade: float | None = None
    duration: float | None = None
    duration_unit: str | None = None
    achievement_contributors: list[Contributor] | None = None
    name: str | None = None
    description: str | None = None


class FoundationItemRef(_Body):
    """A requirement that is to be deleted."""

    foundation_item_id: str


class RequirementChange(_Body):
    """How PATCH changes requirements: what to add and what to delete, where POST has a plain list."""

    create_records: list[Requirement] | None = None
    delete_records: list[FoundationItemRef] | None = None


class CreateLearning(_Body):
    """One entry of a POST."""

    learning: LearningInput
    prerequisites: list[Requirement] | None = None
    corequisites: list[Requirement] | None = None
    recommended: list[Requirement] | None = None
    outcomes: list[Requirement] | None = None

    @model_validator(mode="after")
    def _new(self) -> Self:
        if self.learning.learning_id or self.learning.learning_course_id:
            raise ValueError("a learning that is to be created has no ids yet")
        return self


class UpdateLearning(_Body):
    """One entry of a PATCH. `outcomes` stays a list, and what an empty one means is not documented: leave it out."""

    learning: LearningInput
    prerequisites: RequirementChange | None = None
    corequisites: RequirementChange | None = None
    recommended: RequirementChange | None = None
    outcomes: list[Requirement] | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not self.learning.learning_id:
            raise ValueError("a learning that is to be updated needs its learningId")
        return self


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore")


class FieldError(_Answer):
    """Why a learning was refused."""

    field: str | None = None
    message: str | None = None


class ManagedLearning(_Answer):
    """What became of one learning of a POST or PATCH."""

    success: bool
    learning_id: str | None = None
    errors: list[FieldError] | None = None


class ManagedLearnings(_Answer):
    """The answer to POST and PATCH."""

    # The table of properties says successCount, the sample successeCount.
    success_count: int | None = Field(None, validation_alias=AliasChoices("successCount", "successeCount"))
    details: Annotated[list[ManagedLearning], FailFast()]

    @field_validator("details", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value  # the sample of one result is an object


class LearningRef(_Answer):
    """A learning that an answer names."""

    learning_id: str | None = None
    learning_course_id: str | None = None


class KnownLearning(LearningRef):
    """The learning of a GET, with whatever fields the org serves of it."""

    model_config = ConfigDict(extra="allow")


class Fulfiller(_Answer):
    """What fulfils a requirement."""

    learning: LearningRef | None = None


class FoundationItem(_Answer):
    """A requirement that the org has."""

    learning_foundation_item_id: str | None = None
    # So misspelt in the published sample.
    fulfilled_by: list[Fulfiller] | None = Field(None, validation_alias=AliasChoices("fullfilledBy", "fulfilledBy"))

    @property
    def learning_ids(self) -> set[str]:
        """The learnings that fulfil it."""
        return {by.learning.learning_id for by in self.fulfilled_by or [] if by.learning and by.learning.learning_id}


class Graph(_Answer):
    """The answer to GET."""

    learning: KnownLearning
    prerequisites: list[FoundationItem] | None = None
    recommended: list[FoundationItem] | None = None

    def requirements(self, kind: str) -> list[FoundationItem]:
        """Those of one kind, `prerequisites` or `recommended`."""
        return (self.prerequisites if kind == "prerequisites" else self.recommended) or []
