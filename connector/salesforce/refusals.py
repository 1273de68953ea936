"""What a Salesforce answer that is not a success means, and what to do (docs/facts/salesforce.md section 3f)."""

from connector import redact
from connector.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ServerFaultError,
    ThrottledError,
)
from connector.http.answers import Answer, Reader, json_or_none
from connector.http.refusals import SERVER_FAULTS, Refusal, explained

_CHECK_VERSION = "Check LEARNSYNC_SALESFORCE__API_VERSION."

REFUSALS = (
    Refusal(
        ThrottledError,
        "The org has no API calls left ({said}).",
        "Run again later: the limit rolls over 24 hours.",
        codes={"REQUEST_LIMIT_EXCEEDED"},
    ),
    Refusal(
        AuthenticationError, "The org ends our sessions at once ({code}: {said}).", "{login_remedy}", statuses={401}
    ),
    Refusal(
        PermissionDeniedError,
        "The run-as user may not do {where} ({code}: {said}).",
        "Assign it the permission set LearnSync_Integration (docs/salesforce-setup.md).",
        statuses={403},
    ),
    Refusal(NotFoundError, "{where}: not found ({said}).", _CHECK_VERSION, statuses={404, 410}, codes={""}),
    Refusal(NotFoundError, "{where}: {code} ({said}).", _CHECK_VERSION, statuses={404, 410}),
    Refusal(
        ServerFaultError,
        "The org kept failing on {where} ({status} {code}).",
        "Run again later.",
        statuses=(429, *SERVER_FAULTS),
    ),
    Refusal(BadRequestError, "The org refused {where} ({status} {code}: {said})."),
)

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
