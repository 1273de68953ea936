"""What a LearningRecord API answer that is not a success means, whatever shape its body has."""

from connector import redact
from connector.errors import ApiError
from connector.http.answers import Answer, json_or_none
from connector.http.refusals import explained, read_refusals
from connector.settings import variable

URL_SETTING = variable("learning_records", "base_url")
REFUSALS = read_refusals(__package__)


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
