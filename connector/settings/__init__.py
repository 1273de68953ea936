"""The settings: environment, then `.env`, then `learnsync.toml`; what is named first wins.

A wrong or missing value is reported under the name of its variable, with what to put there. Values of secrets are
never part of a message. `model` holds the sections, `sources` reads the files, `explain` names variables and words what
is wrong with them. What a command needs before it may call a system, it asks for here, by `require_…`: everything that
is missing is named in one message.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr, ValidationError

from connector import redact
from connector.errors import SettingsError
from connector.settings.explain import name_of, names_of, refuse_unknown, settings_error
from connector.settings.limits import LimitSettings
from connector.settings.model import DETAIL_STREAM_NAMES, LOOPBACK, REGIONS, AssignmentSettings, Settings, check_url

__all__ = [
    "DETAIL_STREAM_NAMES", "LOOPBACK", "REGIONS", "AssignmentSettings", "LimitSettings", "Settings", "check_url",
    "names_of",
]  # fmt: skip

_PASSWORD_REMEDY = (
    "Put the portal's API key (Portal Settings) and an LMS admin's username and password there; or the key and"
    f" {name_of('absorb', 'oauth_client_id')}, to log in by OAuth (docs/absorb-oauth.md)."
)
_OAUTH_REMEDY = (
    "Put the portal's own address (https://company.myabsorb.com), and its API key, OAuth client id and secret"
    " (Portal Settings) there (docs/absorb-oauth.md)."
)
_SECRET_REMEDY = (
    "Put the org's My Domain URL and the External Client App's consumer key and secret there; or, for the JWT"
    f" bearer flow, {name_of('salesforce', 'username')} and __PRIVATE_KEY_FILE (docs/salesforce-setup.md)."
)
_KEY_REMEDY = (
    "The JWT bearer flow needs the org's My Domain URL, the app's consumer key, the integration user's username and"
    " the private key of the app's certificate (docs/salesforce-setup.md)."
)
_RECORDS_REMEDY = "Put the API's address and an integration API key there (docs/learning-records.md)."


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError that names each variable at fault."""
    refuse_unknown(os.environ, Settings)
    try:
        settings = Settings(**overrides)
    except ValidationError as failure:
        raise settings_error(failure, Settings) from None
    _register_secrets(settings)
    return settings


def _register_secrets(section: BaseModel) -> None:
    """Make sure that no secret of these settings can appear in a log or a message."""
    for _, value in section:
        if isinstance(value, BaseModel):
            _register_secrets(value)
        elif isinstance(value, SecretStr):
            redact.register(value.get_secret_value())


def variable(*path: str) -> str:
    """The variable of a setting, for messages: ("absorb", "api_key") → LEARNSYNC_ABSORB__API_KEY.

    Raises KeyError when the model has no such setting, so that no message can name a variable that does not exist.
    """
    name = name_of(*path)
    if name not in names_of(Settings):
        raise KeyError(name)
    return name


class PasswordLogin(NamedTuple):
    """An admin's login by `/authenticate`; `folder` is where the session is kept that processes share."""

    api_key: str
    username: str
    password: str
    folder: Path


@dataclass(frozen=True, slots=True)
class OAuthLogin:
    """A login by OAuth 2.0 on the portal host; the tokens are in `token_file`."""

    api_key: str = field(repr=False)
    portal_url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_file: Path


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


def require_absorb(settings: Settings) -> PasswordLogin | OAuthLogin:
    """How to log in: OAuth where a client id is set. Raises SettingsError naming the variables that are missing."""
    if settings.absorb.uses_oauth:
        return require_oauth(settings)
    names = ("api_key", "username", "password")
    api_key, username, password = _required(settings, "absorb", names, _PASSWORD_REMEDY)
    return PasswordLogin(api_key, username, password, _session_folder(settings))


def _session_folder(settings: Settings) -> Path:
    """Where the session is kept that processes share: beside TOKEN_FILE if that is set, else beside the warehouse."""
    named = "token_file" in settings.absorb.model_fields_set
    return (settings.absorb.token_file if named else settings.warehouse.path).parent


def require_oauth(settings: Settings) -> OAuthLogin:
    """What OAuth needs. Raises SettingsError naming the variables that are missing."""
    names = ("api_key", "portal_url", "oauth_client_id", "oauth_client_secret")
    api_key, portal_url, client_id, client_secret = _required(settings, "absorb", names, _OAUTH_REMEDY)
    return OAuthLogin(api_key, portal_url, client_id, client_secret, settings.absorb.token_file)


def require_salesforce(settings: Settings) -> SecretLogin | KeyLogin:
    """How to log in: the JWT bearer flow where a private key is set. Raises SettingsError naming what is missing."""
    org = settings.salesforce
    if org.private_key_file is not None or (org.username and org.client_secret is None):
        return _require_key_login(settings)
    return SecretLogin(*_required(settings, "salesforce", ("login_url", "client_id", "client_secret"), _SECRET_REMEDY))


def _require_key_login(settings: Settings) -> KeyLogin:
    if settings.salesforce.client_secret is not None:
        secret, key = name_of("salesforce", "client_secret"), name_of("salesforce", "private_key_file")
        raise SettingsError(
            f"{secret} and {key} are both set: they are two ways to log in.",
            remedy="Unset the secret for the JWT bearer flow, or the key file for the client-credentials flow.",
        )
    names = ("login_url", "client_id", "username", "private_key_file")
    login_url, client_id, username, key_file = _required(settings, "salesforce", names, _KEY_REMEDY)
    return KeyLogin(login_url, client_id, username, Path(key_file), settings.salesforce.audience)


def require_learning_records(settings: Settings) -> tuple[str, str]:
    """(base url, API key) of the LearningRecord API. Raises SettingsError naming the variables that are missing."""
    base_url, api_key = _required(settings, "learning_records", ("base_url", "api_key"), _RECORDS_REMEDY)
    return base_url, api_key


def _required(settings: Settings, section: str, names: tuple[str, ...], remedy: str) -> list[str]:
    """The values of these settings as text, none of them empty. Raises SettingsError naming those that are."""
    values = {name: _text(getattr(getattr(settings, section), name)) for name in names}
    missing = [name_of(section, name) for name, value in values.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise SettingsError(f"{', '.join(missing)} {verb} not set.", remedy=remedy)
    return list(values.values())


def _text(value: SecretStr | Path | str | None) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
