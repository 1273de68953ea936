"""The file by which the processes of one user share the live token of an account that logs in by password.

Absorb keeps one token per account and a new login ends the one before (docs/facts/absorb.md section 2), so a process
that logged in by itself would end the session of a sync that runs beside it.
"""

import hashlib
import hmac
import logging
import os
import stat
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connector import redact
from connector.absorb.login.token_file import EARLY_SECONDS, TokenFile
from connector.absorb.login.tokens import LIFETIME_SECONDS
from connector.settings import PasswordLogin
from connector.times import utc_now

log = logging.getLogger(__name__)

_EARLY = timedelta(seconds=EARLY_SECONDS)


class Session(BaseModel):
    """What the file holds: a token and whose it is. Neither password nor API key is in it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    portal: str
    username: str
    fingerprint: str = Field(repr=False)
    token: str = Field(min_length=1, repr=False)
    obtained_at: AwareDatetime

    def fresh(self, now: datetime) -> bool:
        """True while the token can still be sent. One from the future was dated by a clock that was set back."""
        ends = self.obtained_at + timedelta(seconds=LIFETIME_SECONDS)
        return self.obtained_at - _EARLY < now < ends - _EARLY

    @property
    def age(self) -> float:
        """Seconds since the login."""
        return max(0.0, (utc_now() - self.obtained_at).total_seconds())


class SessionFile(TokenFile):
    """`absorb-session-….json` in the login's folder: one file per portal, account and API key.

    `fingerprint` tells logins apart, changed passwords too. It is keyed with the API key, which is random and not in
    the file, so that nobody can try passwords against it.
    """

    def __init__(self, portal: str, login: PasswordLogin) -> None:
        self._portal = portal
        self._username = login.username.lower()
        account = "\n".join((portal, self._username, login.api_key)).encode()
        whole = "\n".join((portal, self._username, login.password)).encode()
        self.fingerprint = hmac.new(login.api_key.encode(), whole, hashlib.sha256).hexdigest()
        super().__init__(login.folder / f"absorb-session-{hashlib.sha256(account).hexdigest()[:16]}.json")

    @property
    def possible(self) -> bool:
        """Whether there is a folder for it. It is not made here: a check of the settings must leave no trace."""
        return self.path.parent.is_dir()

    def session(self) -> Session | None:
        """The session that can be used; None for a file that is missing, spent, another login's or open to others."""
        try:
            with self.path.open("rb") as handle:
                shared = os.fstat(handle.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
                content = handle.read()
            found = Session.model_validate_json(content)
        except (OSError, ValidationError):
            return None
        redact.register(found.token)
        if shared:
            log.warning("%s can be opened by others: its token is not used", self.path)
            return None
        return found if found.fingerprint == self.fingerprint and found.fresh(utc_now()) else None

    def refuse_foreign(self) -> None:
        """No person names this file."""

    def holding(self, token: str) -> Session:
        """A session that begins now."""
        return Session(
            portal=self._portal,
            username=self._username,
            fingerprint=self.fingerprint,
            token=token,
            obtained_at=utc_now(),
        )
