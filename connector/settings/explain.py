"""The variables' names, and one message for whatever is wrong with them: which variable, and what to put there."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from connector.errors import SettingsError

PREFIX = "LEARNSYNC_"
DELIMITER = "__"
# Read from the environment alone, since they are needed before or without the settings.
CONFIG = "LEARNSYNC_CONFIG"
LOG_LEVEL = "LEARNSYNC_LOG_LEVEL"

_COMPLAINT = "setting"
# Where pydantic's own words do not say what to write.
_HINTS: dict[tuple[int | str, ...], str] = {
    ("absorb", "page_size"): "Absorb serves at most 1000 rows a page: use a whole number from 1 to 1000.",
    (
        "warehouse",
        "memory_limit_mb",
    ): "Use a whole number of megabytes, 100 or more, or leave it unset (README.md).",
    ("salesforce", "api_version"): "Use a version such as 67.0.",
    ("assignments", "learner_field"): "Use a field of the query, such as AssigneeId or Person__r.Absorb_Id__c.",
    ("assignments", "course_field"): "Use a field of the query, such as LearningItemId or Course__r.Absorb__c.",
    ("tenant_id",): "Use letters, digits, '.', '_' and '-', at most 64 characters.",
}


def name_of(*path: int | str) -> str:
    """The variable of the setting at a path: ("absorb", "api_key") → LEARNSYNC_ABSORB__API_KEY."""
    return (PREFIX + DELIMITER.join(map(str, path))).upper()


def leaves(model: type[BaseModel], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, annotation) of every setting of a settings model and its sections."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, *above, name)
        else:
            yield (*above, name), kind


def names_of(model: type[BaseModel]) -> list[str]:
    """Every variable of a settings model, upper case."""
    return [name_of(*path) for path, _ in leaves(model)]


def complaint(text: str) -> PydanticCustomError:
    """What a validator raises; `text` goes on after the name of the variable."""
    return PydanticCustomError(_COMPLAINT, "{reason}", {"reason": text})


def refuse_unknown(names: Iterable[str], model: type[BaseModel], where: str = "") -> None:
    """Raise SettingsError for the first variable of ours that no setting has: most likely it is misspelt."""
    known = {*names_of(model), CONFIG, LOG_LEVEL}
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "Unset it, or see README.md for the settings."
            raise SettingsError(f"{name.upper()}{where} is not a setting of learnsync.", remedy=hint)


def settings_error(failure: ValidationError, model: type[BaseModel]) -> SettingsError:
    """One error that names each variable at fault, without its value."""
    lines, hints = [], []
    for error in failure.errors(include_input=False, include_url=False):
        # The check that compares the warehouse's two files belongs to the whole section.
        path = ("warehouse", "path") if error["loc"] == ("warehouse",) else error["loc"]
        name = name_of(*path)
        reason = error["msg"] if error["type"] == _COMPLAINT else f"is malformed: {error['msg']}"
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, names_of(model), n=1)
            reason = "is not a setting of learnsync" + (f" (did you mean {near[0]}?)" if near else "")
        lines.append(f"{name} {reason}")
        hints.append(_HINTS.get(path, ""))
    remedy = " ".join(dict.fromkeys(hint for hint in hints if hint)) or "Correct the value and run again."
    return SettingsError("; ".join(lines) + ".", remedy=remedy)
