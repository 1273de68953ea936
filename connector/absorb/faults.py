"""What an Absorb answer that is not a success means, and what to do (docs/facts/absorb.md section 3)."""

from connector.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ServerFaultError,
    ThrottledError,
    WrongPathError,
)
from connector.http.answers import Answer, Reader
from connector.http.refusals import REDIRECTS, SERVER_FAULTS, Refusal, explained

# What AWS API Gateway says for a path it does not know: with and without an Authorization header, which it blames.
WRONG_PATH = (b"not a valid key=value pair", b"Missing Authentication Token")
KEY_REFUSED = b'"Forbidden"'

REFUSALS = (
    Refusal(
        WrongPathError,
        "Absorb's gateway does not know the path of {where} (what it says about Authorization misleads).",
        "Check LEARNSYNC_ABSORB__BASE_URL: the gateway's host without any path, such as https://rest.myabsorb.com.",
        words=WRONG_PATH,
    ),
    Refusal(
        AuthenticationError,
        "Absorb does not accept the token for {where}.",
        "Check that no other client logs in with LEARNSYNC_ABSORB__USERNAME.",
        statuses={401},
    ),
    Refusal(
        PermissionDeniedError,
        "Absorb's gateway refused the API key on {where} (403 Forbidden).",
        "Check LEARNSYNC_ABSORB__API_KEY (case matters; sandbox and production keys differ).",
        statuses={403},
        words=(KEY_REFUSED,),
    ),
    Refusal(
        PermissionDeniedError,
        "The account's role may not do {where}: {text:.200}.",
        "Give the admin that learnsync logs in as (LEARNSYNC_ABSORB__USERNAME, or whoever permitted"
        " `learnsync auth login`) a role that may view users, courses and enrollments.",
        statuses={403},
    ),
    Refusal(NotFoundError, "{where}: not found, or not visible to this admin.", statuses={404}),
    Refusal(
        ThrottledError,
        "Absorb throttles us on {where}.{pause}",
        "Run again later, or lower LEARNSYNC_ABSORB__REQUESTS_PER_SECOND and __CONCURRENCY.",
        statuses={429},
    ),
    Refusal(
        ServerFaultError,
        "Absorb kept failing on {where} ({status}).",
        "Run again; what was not read stays due. If it persists, lower LEARNSYNC_ABSORB__PAGE_SIZE.",
        statuses=SERVER_FAULTS,
    ),
    Refusal(
        WrongPathError, "{where} was redirected to {location}.", "Check LEARNSYNC_ABSORB__BASE_URL.", statuses=REDIRECTS
    ),
    Refusal(BadRequestError, "Absorb refused {where} ({status}): {text:.300}"),
)

READER = Reader(
    "answered {status} with something unexpected: {why}", "Check LEARNSYNC_ABSORB__BASE_URL and any proxy between."
)


def explain(answer: Answer) -> ApiError:
    """The error for an unsuccessful answer, naming the setting or step that cures it."""
    pause = f" It asks to stay away for {answer.retry_after:.0f} s." if answer.retry_after else ""
    location = answer.headers.get("location", "elsewhere")
    return explained(REFUSALS, answer, pause=pause, location=location)


def is_wrong_path(answer: Answer) -> bool:
    """True for the gateway's misleading complaint about the Authorization header."""
    return any(text in answer.body for text in WRONG_PATH)


def is_key_refused(failure: ApiError) -> bool:
    """True when the gateway refuses the API key; a role's refusal of one thing looks different."""
    return failure.status == 403 and KEY_REFUSED.decode() in failure.body


def concerns_every_call(failure: ApiError) -> bool:
    """True for a failure that asking for something else would meet as well: token, key, rate."""
    return isinstance(failure, AuthenticationError | ThrottledError) or is_key_refused(failure)
