"""The one settings model (README.md lists it): environment, then `.env`, then `learnsync.toml`; the environment wins.

A wrong or missing value is reported under the name of its variable, with what to put there. Values of secrets are
never part of a message.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from connector import redact
from connector.errors import SettingsError
from connector.times import parse_instant

PREFIX = "LEARNSYNC_"
DELIMITER = "__"
TOML_FILE = "learnsync.toml"
DEFAULT_TENANT = "default"

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
DETAIL_STREAMS = ("lesson_enrollments", "chapter_enrollments", "session_enrollments", "attempts")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Assignments that did not fail (docs/facts/salesforce.md section 1a); a status that is not set yet counts as none.
ASSIGNMENT_QUERY = (
    "SELECT Id, AssigneeId, LearningItemId FROM LearningItemAssignment WHERE AssignmentStatus != 'Failed'"
)
FIELD_PATH = r"^[A-Za-z]\w*(\.[A-Za-z]\w*)*$"


def _complaint(text: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{reason}", {"reason": text})


def check_url(value: str) -> str:
    """An absolute https URL without a trailing slash; plain http only for loopback hosts."""
    try:
        parts = urlsplit(value.strip())
        _ = parts.port
    except ValueError:
        raise _complaint("is not a URL: check host and port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _complaint("needs an absolute URL such as https://host.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise _complaint("is plain http: use https:// (http is accepted for loopback hosts only)")
    if parts.query or parts.fragment:
        raise _complaint("must be a URL without ? or #")
    if parts.username or parts.password:
        raise _complaint("must not carry credentials; they have settings of their own")
    return value.strip().rstrip("/")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AbsorbSettings(_Section):
    """Where the portal is and how gently to read it."""

    base_url: str | None = None
    region: str = "us"
    api_key: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    requests_per_second: float = Field(20, gt=0, le=10_000)
    burst: int = Field(20, ge=1, le=10_000)
    concurrency: int = Field(8, ge=1, le=64)
    overlap_minutes: float = Field(30, ge=0, le=60 * 24 * 30)
    page_size: int = Field(1000, ge=1, le=1000)
    max_staleness_minutes: float = Field(0, ge=0, le=60 * 24 * 30)
    # NoDecode: a comma list in the environment, not JSON.
    detail_streams: Annotated[tuple[str, ...], NoDecode] = ()
    portal_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    token_file: Path = Path("data/absorb-token.json")
    redirect_port: int = Field(8765, ge=0, le=65535)

    @field_validator("detail_streams", mode="before")
    @classmethod
    def _detail_streams(cls, value: object) -> object:
        named = value.split(",") if isinstance(value, str) else value
        if not isinstance(named, list | tuple) or not all(isinstance(name, str) for name in named):
            raise _complaint(f"must be a list of {', '.join(DETAIL_STREAMS)}")
        chosen = {name.strip().lower() for name in named} - {""}
        unknown = sorted(chosen.difference(DETAIL_STREAMS))
        if unknown:
            raise _complaint(f"names {unknown[0]!r}: use any of {', '.join(DETAIL_STREAMS)}")
        if "attempts" in chosen:
            chosen.add("lesson_enrollments")
        return tuple(name for name in DETAIL_STREAMS if name in chosen)

    @field_validator("username", "oauth_client_id")
    @classmethod
    def _stripped(cls, value: str | None) -> str | None:
        return (value.strip() or None) if value else None

    @field_validator("portal_url")
    @classmethod
    def _portal_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        url = check_url(value)
        if urlsplit(url).path:
            raise _complaint("must be the portal's host without a path, such as https://company.myabsorb.com")
        return url

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        return check_url(value) if value else None

    @field_validator("region")
    @classmethod
    def _region(cls, value: str) -> str:
        if value.strip().lower() not in REGIONS:
            raise _complaint(f"is not a known region: use one of {', '.join(REGIONS)}")
        return value.strip().lower()

    @property
    def url(self) -> str:
        """The gateway to call: BASE_URL, or the one of the region."""
        return self.base_url or REGIONS[self.region]

    @property
    def uses_oauth(self) -> bool:
        """True when the portal's OAuth login takes the place of username and password."""
        return self.oauth_client_id is not None


class SalesforceSettings(_Section):
    """Where pushes go. No LOGIN_URL means: no push."""

    login_url: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    username: str | None = None
    private_key_file: Path | None = None
    audience: str | None = None
    api_version: str = Field("67.0", pattern=r"^\d{2,3}\.0$")
    bulk_threshold: int = Field(2000, ge=1)
    api_budget_percent: float = Field(80, gt=0, le=100)
    push_unmatched: bool = False
    overwrite_foreign_changes: bool = True
    allow_learning_item_progress_writes: bool = False
    # Off: the Learnings Graph exists only where Education Cloud is enabled.
    learnings_graph: bool = False

    @field_validator("username", "client_id")
    @classmethod
    def _stripped(cls, value: str | None) -> str | None:
        return (value.strip() or None) if value else None

    @field_validator("login_url", "audience")
    @classmethod
    def _login_url(cls, value: str | None) -> str | None:
        return check_url(value) if value else None


class LearningRecordsSettings(_Section):
    """The LearningRecord API (docs/facts/learning-records.md). No BASE_URL means: no push to it."""

    base_url: str | None = None
    api_key: SecretStr | None = None
    # No limit is documented: modest, and a 429 slows us down.
    requests_per_second: float = Field(20, gt=0, le=10_000)

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        return check_url(value) if value else None


class WarehouseSettings(_Section):
    """Where the DuckDB files are."""

    path: Path = Path("data/warehouse.duckdb")
    publish_path: Path = Path("data/learning.duckdb")
    lock_timeout_seconds: float = Field(60, ge=0, le=3600)
    keep_landing: bool = False

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
            raise _complaint("must differ from LEARNSYNC_WAREHOUSE__PUBLISH_PATH: the published copy replaces its file")
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
            raise _complaint("is not a known time zone: use an IANA name such as Europe/Berlin") from None
        return value

    @field_validator("as_of", mode="before")
    @classmethod
    def _as_of(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return parse_instant(value.strip().replace(" ", "T"))
            except ValueError:
                raise _complaint("must be an ISO instant such as 2026-03-01T00:00:00Z") from None
        return value

    @field_validator("as_of")
    @classmethod
    def _as_of_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class AssignmentSettings(_Section):
    """Which records of Salesforce ask for an enrollment in Absorb, and whether they get one (docs/assignments.md)."""

    enabled: bool = False
    query: str = Field(ASSIGNMENT_QUERY, max_length=8_000)
    learner_field: str = Field("AssigneeId", pattern=FIELD_PATH)
    course_field: str = Field("LearningItemId", pattern=FIELD_PATH)


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
    warehouse: WarehouseSettings = Field(default_factory=WarehouseSettings)
    mapping: MappingSettings = Field(default_factory=MappingSettings)
    assignments: AssignmentSettings = Field(default_factory=AssignmentSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del file_secret_settings
        return (
            init_settings,
            env_settings,
            _OwnDotEnv(settings_cls),
            _TomlSource(settings_cls, dotenv_settings),
        )

    def as_of(self) -> datetime:
        """The instant that counts as now for the status map."""
        return self.mapping.as_of or datetime.now(UTC)


class _OwnDotEnv(DotEnvSettingsSource):
    """A `.env` file may serve other programs too: only our own variables are read, unknown ones of ours refused."""

    def __call__(self) -> dict[str, Any]:
        _refuse_unknown(self.env_vars, " in .env")
        own = set(Settings.model_fields)
        return {name: value for name, value in super().__call__().items() if name in own}


class _TomlSource(PydanticBaseSettingsSource):
    """`learnsync.toml`: top-level keys, overlaid by the `[tenants.<tenant_id>]` table of the tenant in use."""

    def __init__(self, settings_cls: type[BaseSettings], dotenv: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._dotenv = dotenv

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = toml_path()
        if not path.is_file():
            if "LEARNSYNC_CONFIG" in os.environ:
                raise SettingsError(
                    f"LEARNSYNC_CONFIG names {path}, which is not a file.", remedy="Correct or unset it."
                )
            return {}
        table = _read_toml(path)
        tenants = table.pop("tenants", {})
        if not isinstance(tenants, dict) or not all(isinstance(entry, dict) for entry in tenants.values()):
            raise SettingsError(f"{path}: `tenants` must hold tables.", remedy="Write [tenants.<tenant_id>] sections.")
        tenant_id = self._tenant_id(table)
        if tenants and tenant_id not in tenants and tenant_id != DEFAULT_TENANT:
            raise SettingsError(
                f"LEARNSYNC_TENANT_ID = {tenant_id}: {path} has no [tenants.{tenant_id}].",
                remedy=f"Use one of {', '.join(sorted(tenants))}, or add the table.",
            )
        if tenant_id not in tenants:
            return _resolve(table, path.name)
        _refuse_plain_secrets(tenants[tenant_id], f"{path.name} [tenants.{tenant_id}]")
        return _resolve(_overlay(table, {**tenants[tenant_id], "tenant_id": tenant_id}), path.name)

    def _tenant_id(self, table: dict[str, Any]) -> str:
        return str(self.current_state.get("tenant_id") or table.get("tenant_id") or DEFAULT_TENANT)


def toml_path() -> Path:
    """The settings file: LEARNSYNC_CONFIG, else `learnsync.toml` in the working folder."""
    return Path(os.environ.get("LEARNSYNC_CONFIG", TOML_FILE))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise SettingsError(f"{path} cannot be read: {failure}.", remedy="Correct the file.") from None


SECRET_KEYS = frozenset({"api_key", "password", "client_secret", "oauth_client_secret"})


def _refuse_plain_secrets(table: dict[str, Any], where: str) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _refuse_plain_secrets(value, where)
        elif key in SECRET_KEYS and not str(value).startswith("env:"):
            raise SettingsError(
                f"{where}: `{key}` holds a secret in plain text.",
                remedy='Put it into an environment variable and write "env:NAME" in its place.',
            )


def _resolve(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Replace `env:NAME` references by the variable's value."""
    resolved: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            resolved[key] = _resolve(value, where)
        elif isinstance(value, str) and value.startswith("env:"):
            name = value.removeprefix("env:")
            if name not in os.environ:
                raise SettingsError(f"{where}: `{key}` refers to {name}, which is not set.", remedy=f"Set {name}.")
            resolved[key] = os.environ[name]
        else:
            resolved[key] = value
    return resolved


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _overlay(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def variable_names() -> list[str]:
    """Every variable the model knows, upper case."""
    names = []
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            names += [f"{PREFIX}{name}{DELIMITER}{key}".upper() for key in section.model_fields]
        else:
            names.append(f"{PREFIX}{name}".upper())
    return names


def _refuse_unknown(names: Iterable[str], where: str = "") -> None:
    """Raise SettingsError for the first variable of ours that no setting has: most likely a slip of the pen."""
    known = {*variable_names(), "LEARNSYNC_CONFIG", "LEARNSYNC_LOG_LEVEL"}
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "Unset it, or see README.md for the settings."
            raise SettingsError(f"{name.upper()}{where} is not a setting of learnsync.", remedy=hint)


def _variable(location: tuple[int | str, ...]) -> str:
    return (PREFIX + DELIMITER.join(str(part) for part in location)).upper()


_HINTS = {
    "LEARNSYNC_ABSORB__PAGE_SIZE": "Absorb serves at most 1000 rows a page: use a whole number from 1 to 1000.",
    "LEARNSYNC_SALESFORCE__API_VERSION": "Use a version such as 67.0.",
    "LEARNSYNC_ASSIGNMENTS__LEARNER_FIELD": "Use a field of the query, such as AssigneeId or Person__r.Absorb_Id__c.",
    "LEARNSYNC_ASSIGNMENTS__COURSE_FIELD": "Use a field of the query, such as LearningItemId or Course__r.Absorb__c.",
    "LEARNSYNC_TENANT_ID": "Use letters, digits, '.', '_' and '-', at most 64 characters.",
}


def _explain(failure: ValidationError) -> SettingsError:
    lines, hints = [], []
    for error in failure.errors(include_input=False, include_url=False):
        name = _variable(error["loc"])
        if name == "LEARNSYNC_WAREHOUSE":
            name = "LEARNSYNC_WAREHOUSE__PATH"
        reason = error["msg"] if error["type"] == "setting" else f"is malformed: {error['msg']}"
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, variable_names(), n=1)
            reason = "is not a setting of learnsync" + (f" (did you mean {near[0]}?)" if near else "")
        lines.append(f"{name} {reason}")
        hints.append(_HINTS.get(name, ""))
    remedy = " ".join(dict.fromkeys(hint for hint in hints if hint)) or "Correct the value and run again."
    return SettingsError("; ".join(lines) + ".", remedy=remedy)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError that names each variable at fault."""
    _refuse_unknown(os.environ)
    try:
        settings = Settings(**overrides)
    except ValidationError as failure:
        raise _explain(failure) from None
    register_secrets(settings)
    return settings


def register_secrets(settings: Settings) -> None:
    """Make sure no secret of these settings can appear in a log or a message."""
    absorb = settings.absorb
    targets = (settings.salesforce.client_secret, settings.learning_records.api_key)
    for secret in (absorb.api_key, absorb.password, absorb.oauth_client_secret, *targets):
        redact.register(secret.get_secret_value() if secret else None)


class PasswordLogin(NamedTuple):
    """An admin's login by `/authenticate`."""

    api_key: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class OAuthLogin:
    """A login by OAuth 2.0 on the portal host; the tokens are in `token_file`."""

    api_key: str = field(repr=False)
    portal_url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_file: Path


def require_absorb(settings: Settings) -> PasswordLogin | OAuthLogin:
    """How to log in: OAuth where a client id is set. Raises SettingsError naming the variables that are missing."""
    absorb = settings.absorb
    if absorb.uses_oauth:
        return require_oauth(settings)
    _require(
        {
            "LEARNSYNC_ABSORB__API_KEY": absorb.api_key,
            "LEARNSYNC_ABSORB__USERNAME": absorb.username,
            "LEARNSYNC_ABSORB__PASSWORD": absorb.password,
        },
        "Put the portal's API key (Portal Settings) and an LMS admin's username and password there; or the key and"
        " LEARNSYNC_ABSORB__OAUTH_CLIENT_ID, to log in by OAuth (docs/absorb-oauth.md).",
    )
    assert absorb.api_key
    assert absorb.username
    assert absorb.password
    return PasswordLogin(absorb.api_key.get_secret_value(), absorb.username, absorb.password.get_secret_value())


def require_oauth(settings: Settings) -> OAuthLogin:
    """What OAuth needs. Raises SettingsError naming the variables that are missing."""
    absorb = settings.absorb
    _require(
        {
            "LEARNSYNC_ABSORB__API_KEY": absorb.api_key,
            "LEARNSYNC_ABSORB__PORTAL_URL": absorb.portal_url,
            "LEARNSYNC_ABSORB__OAUTH_CLIENT_ID": absorb.oauth_client_id,
            "LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET": absorb.oauth_client_secret,
        },
        "Put the portal's own address (https://company.myabsorb.com), and its API key, OAuth client id and secret"
        " (Portal Settings) there (docs/absorb-oauth.md).",
    )
    assert absorb.api_key
    assert absorb.portal_url
    assert absorb.oauth_client_id
    assert absorb.oauth_client_secret
    return OAuthLogin(
        absorb.api_key.get_secret_value(),
        absorb.portal_url,
        absorb.oauth_client_id,
        absorb.oauth_client_secret.get_secret_value(),
        absorb.token_file,
    )


@dataclass(frozen=True, slots=True)
class SecretLogin:
    """A login to an org by the client-credentials flow."""

    login_url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyLogin:
    """A login to an org by the JWT bearer flow; `audience` is None where the default of LOGIN_URL applies."""

    login_url: str
    client_id: str
    username: str
    key_file: Path
    audience: str | None


def require_salesforce(settings: Settings) -> SecretLogin | KeyLogin:
    """How to log in: the JWT bearer flow where a private key is set. Raises SettingsError naming what is missing."""
    org = settings.salesforce
    if org.private_key_file is not None or (org.username and org.client_secret is None):
        return _require_key_login(org)
    _require(
        {
            "LEARNSYNC_SALESFORCE__LOGIN_URL": org.login_url,
            "LEARNSYNC_SALESFORCE__CLIENT_ID": org.client_id,
            "LEARNSYNC_SALESFORCE__CLIENT_SECRET": org.client_secret,
        },
        "Put the org's My Domain URL and the External Client App's consumer key and secret there; or, for the JWT"
        " bearer flow, LEARNSYNC_SALESFORCE__USERNAME and __PRIVATE_KEY_FILE (docs/salesforce-setup.md).",
    )
    assert org.login_url
    assert org.client_id
    assert org.client_secret
    return SecretLogin(org.login_url, org.client_id, org.client_secret.get_secret_value())


def _require_key_login(org: SalesforceSettings) -> KeyLogin:
    if org.client_secret is not None:
        raise SettingsError(
            "LEARNSYNC_SALESFORCE__CLIENT_SECRET and LEARNSYNC_SALESFORCE__PRIVATE_KEY_FILE are both set: they are"
            " two ways to log in.",
            remedy="Unset the secret for the JWT bearer flow, or the key file for the client-credentials flow.",
        )
    _require(
        {
            "LEARNSYNC_SALESFORCE__LOGIN_URL": org.login_url,
            "LEARNSYNC_SALESFORCE__CLIENT_ID": org.client_id,
            "LEARNSYNC_SALESFORCE__USERNAME": org.username,
            "LEARNSYNC_SALESFORCE__PRIVATE_KEY_FILE": org.private_key_file,
        },
        "The JWT bearer flow needs the org's My Domain URL, the app's consumer key, the integration user's username and"
        " the private key of the app's certificate (docs/salesforce-setup.md).",
    )
    assert org.login_url
    assert org.client_id
    assert org.username
    assert org.private_key_file
    return KeyLogin(org.login_url, org.client_id, org.username, org.private_key_file, org.audience)


def require_learning_records(settings: Settings) -> tuple[str, str]:
    """(base url, API key) of the LearningRecord API. Raises SettingsError naming the variables that are missing."""
    api = settings.learning_records
    _require(
        {"LEARNSYNC_LEARNING_RECORDS__BASE_URL": api.base_url, "LEARNSYNC_LEARNING_RECORDS__API_KEY": api.api_key},
        "Put the API's address and an integration API key there (docs/learning-records.md).",
    )
    assert api.base_url
    assert api.api_key
    return api.base_url, api.api_key.get_secret_value()


def _require(values: dict[str, object], remedy: str) -> None:
    missing = [
        name
        for name, value in values.items()
        if not value or (isinstance(value, SecretStr) and not value.get_secret_value())
    ]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise SettingsError(f"{', '.join(missing)} {verb} not set.", remedy=remedy)
