"""What an Absorb answer that is not a success means, and what to do (docs/facts/absorb.md section 3)."""

from connector.errors import ApiError, AuthenticationError, ThrottledError
from connector.http.answers import Answer, Reader
from connector.http.refusals import explained, read_refusals

KEY_REFUSED = '"Forbidden"'
REFUSALS = read_refusals(__package__)
READER = Reader(
    "answered {status} with something unexpected: {why}", "Check LEARNSYNC_ABSORB__BASE_URL and any proxy between."
)


def explain(answer: Answer, **values: str) -> ApiError:
    """The error for an unsuccessful answer, naming the setting or step that cures it; `text` is shown of its body."""
    pause = f" It asks to stay away for {answer.retry_after:.0f} s." if answer.retry_after else ""
    location = answer.headers.get("location", "elsewhere")
    return explained(REFUSALS, answer, pause=pause, location=location, **values)


def is_key_refused(failure: ApiError) -> bool:
    """True when the gateway refuses the API key; a role's refusal of one thing looks different."""
    return failure.status == 403 and KEY_REFUSED in failure.body


def concerns_every_call(failure: ApiError) -> bool:
    """True for a failure that asking for something else would meet as well: token, key, rate."""
    return isinstance(failure, AuthenticationError | ThrottledError) or is_key_refused(failure)
