"""Who is let into the org: its access tokens and daily call allowance, and the app that a JWT is made for.

Facts: docs/facts/salesforce.md sections 3f and 4. The error texts are those that orgs are publicly seen to answer. How
far ahead `exp` may lie is not documented; five minutes, the strictest figure in circulation, is held to.
"""

import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.faults import Faults
from connector.sandbox.kit.oauth import oauth_error
from connector.sandbox.org.rows.ids import long_form

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_SECONDS = 300
# The sandbox is a production org; only sandbox orgs accept test.salesforce.com as audience.
PRODUCTION = "https://login.salesforce.com"


class Sessions:
    """Opaque tokens without an announced lifetime, and one counter of calls for all of them."""

    def __init__(self, api_max: int = 100_000) -> None:
        # Each start is a new org with a new id, as each refresh of a Salesforce sandbox is.
        self.org_id = long_form("00D5g" + secrets.token_hex(5))
        self.api_used = 0
        self.api_max = api_max
        # Token → the user it acts for; empty for the integration user.
        self._tokens: dict[str, str] = {}
        self._faults = Faults()

    def issue(self, user_id: str = "") -> str:
        """A new token; it lasts until ``expire`` because the response announces no lifetime."""
        token = f"{self.org_id[:15]}!AQ{secrets.token_urlsafe(60)}"
        self._tokens[token] = user_id
        return token

    def expire(self) -> None:
        """Ends every session at once."""
        self._tokens.clear()

    def refuse_next(self, refusals: Iterable[tuple[int, str]]) -> None:
        """Queues answers (HTTP status, error code) for the next calls, in place of serving them."""
        self._faults.queue(f"{status} {code}" for status, code in refusals)

    def admit(self, scheme: str, token: str) -> str:
        """Counts one call and returns whom it acts for (empty: the integration user), or says why it is not served."""
        if scheme not in {"bearer", "oauth"} or token not in self._tokens:
            raise Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
        fault = self._faults.next()
        if fault:
            status, _, code = fault.partition(" ")
            raise Refusal(int(status), code, "The request was refused by an injected fault")
        if self.api_used >= self.api_max:
            raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.api_used += 1
        return self._tokens[token]

    @property
    def usage(self) -> str:
        """The value of ``Sforce-Limit-Info``."""
        return f"api-usage={self.api_used}/{self.api_max}"


class JwtApp:
    """The app that a JWT names as its issuer. The key pair is this sandbox's own and made when first needed."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        # Usernames that the app's policy admits; None admits every user of the org.
        self.approved: set[str] | None = None

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)

    @property
    def private_key(self) -> str:
        """The PEM text that a client signs with; in an org, the app has only its certificate."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def verify(self, assertion: str, now: float, site: str, users: Mapping[str, bool]) -> str:
        """The username that an assertion is for. `now` in seconds since 1970, `users` username → active.

        Raises Refusal.
        """
        claims = self._claims(assertion)
        if claims.get("iss") != self._client_id:
            raise oauth_error("invalid_client_id", "client identifier invalid")
        if not isinstance(claims.get("aud"), str) or claims["aud"].rstrip("/") not in {PRODUCTION, site}:
            raise oauth_error("invalid_grant", "audience is invalid")
        expires = _seconds(claims.get("exp"))
        if expires <= now:
            raise oauth_error("invalid_grant", "expired authorization code")
        if expires > now + LONGEST_SECONDS:
            raise oauth_error("invalid_grant", "invalid assertion")
        subject = str(claims.get("sub"))
        if subject not in users or (self.approved is not None and subject not in self.approved):
            raise oauth_error("invalid_grant", "user hasn't approved this consumer")
        if not users[subject]:
            raise oauth_error("invalid_grant", "inactive user")
        return subject

    def _claims(self, assertion: str) -> dict[str, Any]:
        """The claims, when the app's key has signed them; their values are checked by the caller."""
        try:
            return jwt.decode(
                assertion,
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError:
            raise oauth_error("invalid_grant", "invalid assertion") from None


def _seconds(value: Any) -> float:
    try:
        return float(value)  # some clients send the number as text
    except (TypeError, ValueError):
        raise oauth_error("invalid_grant", "invalid assertion") from None
