"""The settings as pydantic models, one class for each section (README.md lists them for operators)."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import PydanticBaseSettingsSource as Source

from connector.settings.explain import DELIMITER, PREFIX, complaint, name_of
from connector.settings.limits import LimitSettings
from connector.settings.sources import DEFAULT_TENANT, OwnDotEnv, TomlFile
from connector.times import parse_instant

# A name of labels between dots, or an address.
HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f]*:[0-9a-f:.]+")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# REST gateways by region (docs/facts/absorb.md section 1).
REGIONS = {
    "us": "https://rest.myabsorb.com",
    "ca": "https://rest.myabsorb.ca",
    "eu": "https://rest.myabsorb.eu",
    "au": "https://rest.myabsorb.com.au",
    "sandbox-us": "https://rest.sandbox.myabsorb.com",
    "sandbox-ca": "https://rest.sandbox.myabsorb.ca",
    "sandbox-eu": "https://rest.sandbox.myabsorb.eu",
    "sandbox-au": "https://rest.sandbox.myabsorb.com.au",
}
# What lies inside a course enrollment; attempts are found through lesson enrollments (connector/streams/details.py).
DETAIL_STREAM_NAMES = ("lesson_enrollments", "chapter_enrollments", "session_enrollments", "attempts")
# Assignments that did not fail (docs/facts/salesforce.md section 1a); a status that is not set yet counts as none.
ASSIGNMENT_QUERY = (
    "SELECT Id, AssigneeId, LearningItemId, StartDate, DueDate FROM LearningItemAssignment"
    " WHERE AssignmentStatus != 'Failed'"
)
FIELD_PATH = r"^[A-Za-z]\w*(\.[A-Za-z]\w*)*$"


def check_url(value: str) -> str:
    """An absolute https URL without a trailing slash; plain http only for loopback hosts."""
    try:
        parts = urlsplit(value.strip())
        _ = parts.port
    except ValueError:
        raise complaint("is not a URL: check host and port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise complaint("needs an absolute URL such as https://host.example")
    if not HOST.fullmatch(parts.hostname):
        raise complaint("has a host that no network could find: check its spelling")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise complaint("is plain http: use https:// (http is accepted for loopback hosts only)")
    if parts.query or parts.fragment:
        raise complaint("must be a URL without ? or #")
    if parts.username or parts.password:
        raise complaint("must not carry credentials; they have settings of their own")
    return value.strip().rstrip("/")


Url = Annotated[str | None, AfterValidator(lambda value: check_url(value) if value else None)]
Stripped = Annotated[str | None, AfterValidator(lambda value: (value.strip() or None) if value else None)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _AbsorbLogin(_Section):
    base_url: Url = None
    region: str = "us"
    api_key: SecretStr | None = None
    username: Stripped = None
    password: SecretStr | None = None
    portal_url: Url = None
    oauth_client_id: Stripped = None
    oauth_client_secret: SecretStr | None = None
    token_file: Path = Path("data/absorb-token.json")
    redirect_port: int = Field(8765, ge=0, le=65535)

    @field_validator("portal_url")
    @classmethod
    def _portal_url(cls, value: str | None) -> str | None:
        if value and urlsplit(value).path:
            raise complaint("must be the portal's host without a path, such as https://company.myabsorb.com")
        return value

    @field_validator("region")
    @classmethod
    def _region(cls, value: str) -> str:
        if value.strip().lower() not in REGIONS:
            raise complaint(f"is not a known region: use one of {', '.join(REGIONS)}")
        return value.strip().lower()

    @property
    def url(self) -> str:
        """The gateway to call: BASE_URL, or the one of the region."""
        return self.base_url or REGIONS[self.region]

    @property
    def uses_oauth(self) -> bool:
        """True when the portal's OAuth login takes the place of username and password."""
        return self.oauth_client_id is not None


class AbsorbSettings(_AbsorbLogin):
    """Where the portal is, how to log in, and how gently to read it."""

    requests_per_second: float = Field(20, gt=0, le=10_000)
    burst: int = Field(20, ge=1, le=10_000)
    concurrency: int = Field(8, ge=1, le=64)
    overlap_minutes: float = Field(30, ge=0, le=60 * 24 * 30)
    page_size: int = Field(1000, ge=1, le=1000)
    max_staleness_minutes: float = Field(0, ge=0, le=60 * 24 * 30)
    reconcile_days: float = Field(7, ge=0, le=3650)
    # NoDecode: a comma list in the environment, not JSON.
    detail_streams: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("detail_streams", mode="before")
    @classmethod
    def _detail_streams(cls, value: object) -> object:
        named = value.split(",") if isinstance(value, str) else value
        if not isinstance(named, list | tuple) or not all(isinstance(name, str) for name in named):
            raise complaint(f"must be a list of {', '.join(DETAIL_STREAM_NAMES)}")
        chosen = {name.strip().lower() for name in named} - {""}
        unknown = sorted(chosen.difference(DETAIL_STREAM_NAMES))
        if unknown:
            raise complaint(f"names {unknown[0]!r}: use any of {', '.join(DETAIL_STREAM_NAMES)}")
        if "attempts" in chosen:
            chosen.add("lesson_enrollments")
        return tuple(name for name in DETAIL_STREAM_NAMES if name in chosen)


class _SalesforceLogin(_Section):
    login_url: Url = None
    client_id: Stripped = None
    client_secret: SecretStr | None = None
    username: Stripped = None
    private_key_file: Path | None = None
    audience: Url = None


class SalesforceSettings(_SalesforceLogin):
    """Where pushes go, and how. No LOGIN_URL means: no push."""

    api_version: str = Field("67.0", pattern=r"^\d{2,3}\.0$")
    bulk_threshold: int = Field(2000, ge=1)
    api_budget_percent: float = Field(80, gt=0, le=100)
    # A push that would change, blank or unmatch more of what the org has is held; 100 means never.
    max_change_percent: float = Field(30, ge=0, le=100)
    push_unmatched: bool = False
    overwrite_foreign_changes: bool = True
    allow_learning_item_progress_writes: bool = False
    # Off: the Learnings Graph exists only where Education Cloud is enabled.
    learnings_graph: bool = False


class LearningRecordsSettings(_Section):
    """The LearningRecord API (docs/facts/learning-records.md). No BASE_URL means: no push to it."""

    base_url: Url = None
    api_key: SecretStr | None = None
    # No limit is documented: the default is modest, and a 429 slows us down.
    requests_per_second: float = Field(20, gt=0, le=10_000)


class WarehouseSettings(_Section):
    """Where the DuckDB files are, and who may read the published one."""

    path: Path = Path("data/warehouse.duckdb")
    publish_path: Path = Path("data/learning.duckdb")
    publish_mode: int = 0o640
    lock_timeout_seconds: float = Field(60, ge=0, le=3600)
    keep_landing: bool = False
    # A pull needs room for the pages on their way, the log and the rows; 0: it begins however little is left.
    min_free_mb: int = Field(100, ge=0, le=10_000_000)
    # What DuckDB may take; unset: a quarter of the machine or container, at most 2 GB (connector/warehouse/memory.py).
    memory_limit_mb: int | None = Field(None, ge=100, le=10_000_000)
    # Where DuckDB puts what does not fit into memory; unset: beside the writer's file.
    temp_folder: Path | None = None

    @field_validator("publish_mode", mode="before")
    @classmethod
    def _publish_mode(cls, value: object) -> int:
        """Octal digits as chmod takes them. TOML has octal numbers too (0o640), which come as numbers."""
        text = oct(value)[2:] if isinstance(value, int) else str(value).strip()
        if not re.fullmatch(r"(0o?)?[0-7]{3}", text) or not int(text, 8) & 0o400 or int(text, 8) & 0o111:
            raise complaint("must be a file mode that its owner may read, in octal: 0640, 0600 or 0644")
        return int(text, 8)

    @property
    def landing(self) -> Path:
        """The folder of raw pages, beside the writer's file."""
        return self.path.parent / "landing"

    @property
    def outbox(self) -> Path:
        """The folder of records that wait to be sent, beside the writer's file."""
        return self.path.parent / "outbox"

    @model_validator(mode="after")
    def _two_files(self) -> Self:
        if self.path.resolve() == self.publish_path.resolve():
            other = name_of("warehouse", "publish_path")
            raise complaint(f"must differ from {other}: the published copy replaces its file")
        return self


class MappingSettings(_Section):
    """Which maps to use and what "today" is."""

    dir: Path | None = None
    timezone: str = "UTC"
    as_of: datetime | None = None

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise complaint("is not a known time zone: use an IANA name such as Europe/Berlin") from None
        return value

    @field_validator("as_of", mode="before")
    @classmethod
    def _as_of(cls, value: object) -> object:
        if not isinstance(value, str | date):
            return value
        try:
            return parse_instant(str(value).strip().replace(" ", "T"))
        except ValueError:
            raise complaint("must be an ISO instant such as 2026-03-01T00:00:00Z") from None


class AssignmentSettings(_Section):
    """Which records of Salesforce ask for an enrollment in Absorb, and whether they get one (docs/assignments.md)."""

    enabled: bool = False
    query: str = Field(ASSIGNMENT_QUERY, max_length=8_000)
    learner_field: str = Field("AssigneeId", pattern=FIELD_PATH)
    course_field: str = Field("LearningItemId", pattern=FIELD_PATH)
    # Left aside where the query does not select them, unless they were set.
    start_field: str = Field("StartDate", pattern=FIELD_PATH)
    due_field: str = Field("DueDate", pattern=FIELD_PATH)


class Settings(BaseSettings):
    """Everything a run needs to know from outside."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    tenant_id: str = Field(DEFAULT_TENANT, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    provider: str = Field("Absorb LMS", min_length=1, max_length=255)
    absorb: AbsorbSettings = Field(default_factory=AbsorbSettings)
    salesforce: SalesforceSettings = Field(default_factory=SalesforceSettings)
    learning_records: LearningRecordsSettings = Field(default_factory=LearningRecordsSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    warehouse: WarehouseSettings = Field(default_factory=WarehouseSettings)
    mapping: MappingSettings = Field(default_factory=MappingSettings)
    assignments: AssignmentSettings = Field(default_factory=AssignmentSettings)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Source, env_settings: Source, *_: Source, **__: Source
    ) -> tuple[Source, ...]:
        """What is named first wins."""
        return init_settings, env_settings, OwnDotEnv(settings_cls), TomlFile(settings_cls, {})

    def as_of(self) -> datetime:
        """The instant that counts as now for the status map."""
        return self.mapping.as_of or datetime.now(UTC)
