"""Where values come from besides the environment: `.env` and `learnsync.toml` with its tenants."""

import os
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, InitSettingsSource

from connector.errors import SettingsError
from connector.settings.explain import CONFIG, leaves, name_of, refuse_unknown

TOML_FILE = "learnsync.toml"
DEFAULT_TENANT = "default"
REFERENCE = "env:"


class OwnDotEnv(DotEnvSettingsSource):
    """A `.env` file may serve other programs too: only our own variables are read, unknown ones of ours refused."""

    def __call__(self) -> dict[str, Any]:
        refuse_unknown(self.env_vars, self.settings_cls, " in .env")
        own = set(self.settings_cls.model_fields)
        return {name: value for name, value in super().__call__().items() if name in own}


class TomlFile(InitSettingsSource):
    """`learnsync.toml`: top-level keys, overlaid by the `[tenants.<tenant_id>]` table of the tenant in use."""

    def __call__(self) -> dict[str, Any]:
        path = Path(os.environ.get(CONFIG, TOML_FILE))
        if not path.is_file():
            if CONFIG in os.environ:
                raise SettingsError(f"{CONFIG} names {path}, which is not a file.", remedy="Correct or unset it.")
            return {}
        table = _read(path)
        tenants = table.pop("tenants", {})
        if not isinstance(tenants, dict) or not all(isinstance(entry, dict) for entry in tenants.values()):
            raise SettingsError(f"{path}: `tenants` must hold tables.", remedy="Write [tenants.<tenant_id>] sections.")
        tenant_id = str(self.current_state.get("tenant_id") or table.get("tenant_id") or DEFAULT_TENANT)
        if tenants and tenant_id not in tenants and tenant_id != DEFAULT_TENANT:
            raise SettingsError(
                f"{name_of('tenant_id')} = {tenant_id}: {path} has no [tenants.{tenant_id}].",
                remedy=f"Use one of {', '.join(sorted(tenants))}, or add the table.",
            )
        if tenant_id in tenants:
            secrets = {field[-1] for field, kind in leaves(self.settings_cls) if SecretStr in (kind, *get_args(kind))}
            _refuse_plain_secrets(tenants[tenant_id], secrets, f"{path.name} [tenants.{tenant_id}]")
            table = _overlay(table, {**tenants[tenant_id], "tenant_id": tenant_id})
        return {key: _resolve(key, value, path.name) for key, value in table.items()}


def _refuse_plain_secrets(table: dict[str, Any], secrets: set[str], where: str) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _refuse_plain_secrets(value, secrets, where)
        elif key in secrets and not str(value).startswith(REFERENCE):
            raise SettingsError(
                f"{where}: `{key}` holds a secret in plain text.",
                remedy=f'Put it into an environment variable and write "{REFERENCE}NAME" in its place.',
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise SettingsError(f"{path} cannot be read: {failure}.", remedy="Correct the file.") from None


def _resolve(key: str, value: Any, where: str) -> Any:
    """The value with each `env:NAME` reference in it replaced by the variable's value."""
    if isinstance(value, dict):
        return {name: _resolve(name, inner, where) for name, inner in value.items()}
    if not isinstance(value, str) or not value.startswith(REFERENCE):
        return value
    variable = value.removeprefix(REFERENCE)
    if variable not in os.environ:
        raise SettingsError(f"{where}: `{key}` refers to {variable}, which is not set.", remedy=f"Set {variable}.")
    return os.environ[variable]


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = [key for key, value in over.items() if isinstance(value, dict) and isinstance(base.get(key), dict)]
    return base | over | {key: _overlay(base[key], over[key]) for key in both}
