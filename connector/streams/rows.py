"""The rows Absorb serves, as pydantic models: the one schema source (docs/facts/absorb.md section 5).

DuckDB reads pages by the column types named here (`connector/warehouse/schema.py`); pydantic itself looks only at rows
that DuckDB could not fit, to say why. Both must judge alike, so each type has one pattern, used by both sides.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from connector.times import INSTANT_PATTERN, is_empty_date, parse_instant


@dataclass(frozen=True, slots=True)
class Column:
    """How DuckDB holds a field, and the pattern that its source text must match to be cast."""

    sql_type: str
    pattern: str | None = None


GUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
INTEGER_PATTERN = r"^-?[0-9]{1,18}(\.0+)?$"
NUMBER_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"
FLAG_PATTERN = r"^(true|false)$"


def _as_text(value: object) -> object:
    """The text DuckDB would see for a JSON scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value) if isinstance(value, int) else value


def _matching(pattern: str, what: str) -> BeforeValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: object) -> str:
        text = _as_text(value)
        if not isinstance(text, str) or not compiled.match(text) or text.endswith("\n"):
            raise PydanticCustomError("absorb_type", "is not {what}", {"what": what})
        return text

    return BeforeValidator(check)


def _instant(value: object) -> datetime:
    text = value if isinstance(value, str) else str(value)
    if is_empty_date(text):
        raise PydanticCustomError("absorb_type", "is {what}", {"what": "a date before 1900, which stands for none"})
    try:
        return parse_instant(text)
    except ValueError:
        raise PydanticCustomError("absorb_type", "is not {what}", {"what": "a date-time"}) from None


def _optional_instant(value: object) -> datetime | None:
    return None if value is None or is_empty_date(str(value)) else _instant(value)


def _integer(value: object) -> int:
    return int(str(_as_text(value)).split(".")[0])


def _text(value: object) -> object:
    return value if isinstance(value, str) or value is None else str(_as_text(value))


Guid = Annotated[str, BeforeValidator(str.lower), _matching(GUID_PATTERN, "a GUID"), Column("UUID", GUID_PATTERN)]
Instant = Annotated[datetime, BeforeValidator(_instant), Column("TIMESTAMPTZ", INSTANT_PATTERN)]
# A date before 1900 is none: `0001-01-01T00:00:00` is what .NET writes for a date that was never set.
OptionalInstant = Annotated[datetime | None, BeforeValidator(_optional_instant), Column("TIMESTAMPTZ", INSTANT_PATTERN)]
Number = Annotated[
    float, Field(allow_inf_nan=False), _matching(NUMBER_PATTERN, "a number"), Column("DOUBLE", NUMBER_PATTERN)
]
Integer = Annotated[
    int, BeforeValidator(_integer), _matching(INTEGER_PATTERN, "a whole number"), Column("BIGINT", INTEGER_PATTERN)
]
Flag = Annotated[bool, _matching(FLAG_PATTERN, "true or false"), Column("BOOLEAN", FLAG_PATTERN)]
Text = Annotated[str, BeforeValidator(_text), Column("VARCHAR")]
Json = Annotated[Any, Column("JSON")]
# .NET TimeSpan `[d.]hh:mm:ss[.fffffff]`, kept as served (docs/facts/absorb.md section 5).
Span = Text


class AbsorbRow(BaseModel):
    """A row of one stream. Field names are the warehouse's columns; aliases are Absorb's own."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="ignore", hide_input_in_errors=True
    )

    stream: ClassVar[str]
    collection: ClassVar[str]

    id: Guid


class User(AbsorbRow):
    """A learner or admin, as GET /users serves it."""

    stream = "users"
    collection = "users"

    department_id: Guid | None = None
    first_name: Text | None = None
    middle_name: Text | None = None
    last_name: Text | None = None
    username: Text | None = None
    email_address: Text | None = None
    cc_email_addresses: Json | None = None
    external_id: Text | None = None
    has_username: Flag | None = None
    gender: Integer | None = None
    address: Text | None = None
    address2: Text | None = None
    city: Text | None = None
    # Served as ids by some portals and as codes by others: kept as text.
    province_id: Text | None = None
    country_id: Text | None = None
    postal_code: Text | None = None
    phone: Text | None = None
    notes: Text | None = None
    employee_number: Text | None = None
    location: Text | None = None
    job_title: Text | None = None
    reference_number: Text | None = None
    date_hired: OptionalInstant = None
    date_terminated: OptionalInstant = None
    last_login_date: OptionalInstant = None
    active_status: Integer | None = None
    is_learner: Flag | None = None
    is_admin: Flag | None = None
    is_instructor: Flag | None = None
    is_manager: Flag | None = None
    supervisor_id: Guid | None = None
    language_id: Integer | None = None
    role_ids: Json | None = None
    custom_fields: Json | None = None
    date_edited: OptionalInstant = None
    date_added: OptionalInstant = None


class Course(AbsorbRow):
    """A course, curriculum or bundle, as GET /courses serves it."""

    stream = "courses"
    collection = "courses"

    course_type: Text | None = None
    name: Text | None = None
    description: Text | None = None
    notes: Text | None = None
    goals: Text | None = None
    audience: Text | None = None
    external_id: Text | None = None
    active_status: Integer | None = None
    category_id: Guid | None = None
    vendor: Text | None = None
    certificate_url: Text | None = None
    allow_course_evaluation: Flag | None = None
    access_date: OptionalInstant = None
    expire_type: Integer | None = None
    expire_duration: Json | None = None
    expiry_date: OptionalInstant = None
    prerequisite_course_ids: Json | None = None
    post_enrollment_course_ids: Json | None = None
    tag_ids: Json | None = None
    resource_ids: Json | None = None
    editor_ids: Json | None = None
    competency_definition_ids: Json | None = None
    prices: Json | None = None
    company_cost: Number | None = None
    learner_cost: Number | None = None
    company_time: Number | None = None
    learner_time: Number | None = None
    date_edited: OptionalInstant = None
    date_added: OptionalInstant = None


class Department(AbsorbRow):
    """A department, as GET /departments serves it."""

    stream = "departments"
    collection = "departments"

    name: Text | None = None
    parent_id: Guid | None = None
    external_id: Text | None = None
    company_name: Text | None = None
    phone_number: Text | None = None
    email_address: Text | None = None
    use_department_contact_details: Flag | None = None
    currency_id: Guid | None = None
    date_edited: OptionalInstant = None
    date_added: OptionalInstant = None


class Enrollment(AbsorbRow):
    """A course enrollment, as GET /courses/{id}/enrollments serves it.

    Only what a record cannot do without is required; live portals leave any other field null or out.
    """

    stream = "enrollments"
    collection = "enrollments"

    course_id: Guid
    # One client saw the title under `name` (docs/facts/absorb.md section 5).
    course_name: Text | None = Field(None, validation_alias=AliasChoices("courseName", "name"))
    user_id: Guid
    full_name: Text | None = None
    job_title: Text | None = None
    status: Integer
    progress: Number | None = None
    score: Number | None = None
    is_active: Flag
    date_added: Instant
    date_edited: Instant
    date_started: OptionalInstant = None
    date_completed: OptionalInstant = None
    date_expires: OptionalInstant = None
    date_due: OptionalInstant = None
    access_date: OptionalInstant = None
    time_spent: Span | None = None
    time_spent_ticks: Integer | None = None
    accepted_terms_and_conditions: Flag | None = None
    course_version_id: Guid | None = None
    enrollment_key_id: Guid | None = None
    certificate_id: Guid | None = None
    credits: Number | None = None
    course_collection_id: Guid | None = None
    avatar: Text | None = None
