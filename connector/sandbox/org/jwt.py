"""The JWT bearer side of the sandbox org's app: its key pair, and the judgement of an assertion.

Facts: docs/facts/salesforce.md section 4. The error texts are those that orgs are publicly seen to answer. How far
ahead `exp` may lie is not documented; five minutes, the strictest figure in circulation, is held to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connector.sandbox.kit.oauth import oauth_error

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_SECONDS = 300
# The sandbox is a production org; only sandbox orgs accept test.salesforce.com as audience.
PRODUCTION = "https://login.salesforce.com"


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
