"""What a LearningRecord API answer that is not a success means, whatever shape its body has."""

from connector import redact
from connector.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ServerFaultError,
    ThrottledError,
)
from connector.http.answers import Answer, json_or_none
from connector.http.refusals import SERVER_FAULTS, Refusal, explained
from connector.settings import variable

URL_SETTING = variable("learning_records", "base_url")
KEY_SETTING = variable("learning_records", "api_key")
CHECK_URL = f"Check {URL_SETTING}."

REFUSALS = (
    Refusal(
        AuthenticationError, "The LearningRecord API refused the key ({said}).", f"Check {KEY_SETTING}.", statuses={401}
    ),
    Refusal(
        PermissionDeniedError,
        "The key of the LearningRecord API may not do {where} ({said}).",
        f"Use a key that may list and create learning records as {KEY_SETTING}.",
        statuses={403},
    ),
    Refusal(
        NotFoundError, "The LearningRecord API does not know {where} ({status}).", CHECK_URL, statuses={404, 405, 410}
    ),
    Refusal(
        ThrottledError,
        "The LearningRecord API asks for a longer pause than a run may wait.",
        "Run again later.",
        statuses={429},
    ),
    Refusal(ProtocolError, "The LearningRecord API sent {where} elsewhere ({status}).", CHECK_URL, statuses=range(400)),
    # The call may have been carried out, or may be later.
    Refusal(
        ServerFaultError,
        "The LearningRecord API failed on {where} ({status}: {said}).",
        "Run again later.",
        statuses=(408, 425, *SERVER_FAULTS),
    ),
    Refusal(BadRequestError, "The LearningRecord API refused {where} ({status} {code}: {said})."),
)


def explain(answer: Answer) -> ApiError:
    """The error for an unsuccessful answer."""
    code, said = _first_error(answer)
    return explained(REFUSALS, answer, code, said=said)


def _first_error(answer: Answer) -> tuple[str, str]:
    """(code, text) of an error body: {error: {code, message}}, {code, message}, {detail}, {errors: [...]} or text."""
    document = json_or_none(answer)
    if isinstance(document, dict):
        inner = document.get("error") if isinstance(document.get("error"), dict) else document
        if isinstance(document.get("errors"), list) and document["errors"]:
            inner = document["errors"][0]
        if isinstance(inner, dict):
            said = next((inner[name] for name in ("message", "detail", "error") if inner.get(name)), answer.text)
            fields = inner.get("details")
            shown = f"{said} {fields}" if fields else str(said)
            return str(inner.get("code") or f"HTTP_{answer.status}"), redact.scrub(shown)[:500]
    return f"HTTP_{answer.status}", answer.text[:200]
