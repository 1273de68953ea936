"""The settings: environment, then `.env`, then `learnsync.toml`; what is named first wins.

A wrong or missing value is reported under the name of its variable, with what to put there. Values of secrets are
never part of a message. `model` holds the sections, `sources` reads the files, `explain` names variables and words what
is wrong with them, `logins` hands out what a command needs.
"""

import os
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from connector import redact
from connector.settings.explain import name_of, names_of, refuse_unknown, settings_error
from connector.settings.logins import (
    KeyLogin,
    OAuthLogin,
    PasswordLogin,
    SecretLogin,
    require_absorb,
    require_learning_records,
    require_oauth,
    require_salesforce,
)
from connector.settings.model import DETAIL_STREAM_NAMES, REGIONS, AssignmentSettings, Settings
from connector.settings.values import check_url

__all__ = [
    "DETAIL_STREAM_NAMES",
    "REGIONS",
    "AssignmentSettings",
    "KeyLogin",
    "OAuthLogin",
    "PasswordLogin",
    "SecretLogin",
    "Settings",
    "check_url",
    "load_settings",
    "require_absorb",
    "require_learning_records",
    "require_oauth",
    "require_salesforce",
    "variable",
    "variable_names",
]


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


def variable_names() -> list[str]:
    """Every variable the model knows, upper case."""
    return names_of(Settings)


def variable(*path: str) -> str:
    """The variable of a setting, for messages: ("absorb", "api_key") → LEARNSYNC_ABSORB__API_KEY.

    Raises KeyError when the model has no such setting, so that no message can name a variable that does not exist.
    """
    name = name_of(*path)
    if name not in variable_names():
        raise KeyError(name)
    return name
