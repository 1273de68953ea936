"""What a Salesforce answer that is not a success means, and what to do (docs/facts/salesforce.md section 3f)."""

from connector import redact
from connector.errors import ApiError
from connector.http.answers import Answer, Reader, json_or_none
from connector.http.refusals import explained, read_refusals

REFUSALS = read_refusals(__package__)

READER = Reader(
    "answered with something that is not a JSON object", "Check LEARNSYNC_SALESFORCE__LOGIN_URL and any proxy between."
)


def explain(answer: Answer, login_remedy: str = "") -> ApiError:
    """The error for an unsuccessful answer; `login_remedy` is the remedy where the org takes no session of ours."""
    code, said = _first_error(answer)
    return explained(REFUSALS, answer, code, said=said, login_remedy=login_remedy)


def _first_error(answer: Answer) -> tuple[str, str]:
    """(code, text) of an error body: a list of {errorCode, message}, {error, ...} from the login, or text."""
    document = json_or_none(answer)
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict):
        return "", answer.text[:200]
    return str(first.get("errorCode", first.get("error", ""))), redact.scrub(str(first.get("message", "")))
