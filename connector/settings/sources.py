"""Where values come from besides the environment: `.env` and `learnsync.toml` with its tenants."""

import os
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource

from connector.errors import SettingsError
from connector.settings.explain import CONFIG, name_of, refuse_unknown

TOML_FILE = "learnsync.toml"
DEFAULT_TENANT = "default"
REFERENCE = "env:"


class OwnDotEnv(DotEnvSettingsSource):
    """A `.env` file may serve other programs too: only our own variables are read, unknown ones of ours refused."""

    def __call__(self) -> dict[str, Any]:
        refuse_unknown(self.env_vars, self.settings_cls, " in .env")
        own = set(self.settings_cls.model_fields)
        return {name: value for name, value in super().__call__().items() if name in own}


class TomlFile(PydanticBaseSettingsSource):
    """`learnsync.toml`: top-level keys, overlaid by the `[tenants.<tenant_id>]` table of the tenant in use."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._secrets = secret_keys(settings_cls)

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the file is read whole."""
        del field
        return None, field_name, False

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
            self._refuse_plain_secrets(tenants[tenant_id], f"{path.name} [tenants.{tenant_id}]")
            table = _overlay(table, {**tenants[tenant_id], "tenant_id": tenant_id})
        return _resolve(table, path.name)

    def _refuse_plain_secrets(self, table: dict[str, Any], where: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                self._refuse_plain_secrets(value, where)
            elif key in self._secrets and not str(value).startswith(REFERENCE):
                raise SettingsError(
                    f"{where}: `{key}` holds a secret in plain text.",
                    remedy=f'Put it into an environment variable and write "{REFERENCE}NAME" in its place.',
                )


def secret_keys(model: type[BaseModel]) -> set[str]:
    """The names of all fields, of the model and its sections, that hold a secret."""
    keys: set[str] = set()
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= secret_keys(kind)
        elif SecretStr in (kind, *get_args(kind)):
            keys.add(name)
    return keys


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise SettingsError(f"{path} cannot be read: {failure}.", remedy="Correct the file.") from None


def _resolve(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Replace `env:NAME` references by the variable's value."""
    resolved: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            resolved[key] = _resolve(value, where)
        elif isinstance(value, str) and value.startswith(REFERENCE):
            name = value.removeprefix(REFERENCE)
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
