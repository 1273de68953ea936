"""What an Absorb answer that is not a success means, and what to do (docs/facts/absorb.md section 3)."""

from __future__ import annotations

from typing import Any

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
from connector.http.session import Answer

# What AWS API Gateway says for a path it does not know: with and without an Authorization header, which it blames.
_WRONG_PATH = (b"not a valid key=value pair", b"Missing Authentication Token")


def is_wrong_path(answer: Answer) -> bool:
    """True for the gateway's misleading complaint about the Authorization header."""
    return any(text in answer.body for text in _WRONG_PATH)


def is_key_refused(failure: ApiError) -> bool:
    """True when the gateway refuses the API key; a role's refusal of one thing looks different."""
    return failure.status == 403 and '"Forbidden"' in failure.body


def concerns_every_call(failure: ApiError) -> bool:
    """True for a failure that asking for something else would meet as well: token, key, rate."""
    return isinstance(failure, AuthenticationError | ThrottledError) or is_key_refused(failure)


def explain(answer: Answer) -> ApiError:  # noqa: PLR0911 - one return per meaning reads as a table
    """The error for an unsuccessful answer, naming the setting or step that cures it."""
    where = f"{answer.method} {answer.path}"
    facts: dict[str, Any] = {"status": answer.status, "body": answer.text}
    if is_wrong_path(answer):
        return WrongPathError(
            f"Absorb's gateway does not know the path of {where} (what it says about Authorization misleads).",
            remedy="Check LEARNSYNC_ABSORB__BASE_URL: the gateway's host without any path, such as https://rest.myabsorb.com.",
            **facts,
        )
    if answer.status == 401:
        return AuthenticationError(
            f"Absorb does not accept the token for {where}.",
            remedy="Check that no other client logs in with LEARNSYNC_ABSORB__USERNAME.",
            **facts,
        )
    if answer.status == 403 and b'"Forbidden"' in answer.body:
        return PermissionDeniedError(
            f"Absorb's gateway refused the API key on {where} (403 Forbidden).",
            remedy="Check LEARNSYNC_ABSORB__API_KEY (case matters; sandbox and production keys differ).",
            **facts,
        )
    if answer.status == 403:
        return PermissionDeniedError(
            f"The account's role may not do {where}: {answer.text[:200]}.",
            remedy="Give the admin that learnsync logs in as (LEARNSYNC_ABSORB__USERNAME, or whoever permitted"
            " `learnsync auth login`) a role that may view users, courses and enrollments.",
            **facts,
        )
    if answer.status == 404:
        return NotFoundError(f"{where}: not found, or not visible to this admin.", **facts)
    if answer.status == 429:
        wait = f" It asks to stay away for {answer.retry_after:.0f} s." if answer.retry_after else ""
        return ThrottledError(
            f"Absorb throttles us on {where}.{wait}",
            remedy="Run again later, or lower LEARNSYNC_ABSORB__REQUESTS_PER_SECOND and __CONCURRENCY.",
            **facts,
        )
    if answer.status >= 500:
        return ServerFaultError(
            f"Absorb kept failing on {where} ({answer.status}).",
            remedy="Run again; what was not read stays due. If it persists, lower LEARNSYNC_ABSORB__PAGE_SIZE.",
            **facts,
        )
    if 300 <= answer.status < 400:
        return WrongPathError(
            f"{where} was redirected to {answer.headers.get('location', 'elsewhere')}.",
            remedy="Check LEARNSYNC_ABSORB__BASE_URL.",
            **facts,
        )
    return BadRequestError(f"Absorb refused {where} ({answer.status}): {answer.text[:300]}", **facts)
