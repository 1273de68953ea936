"""The session with an org: opened on first use, opened again once when a call finds that it has ended.

And what an answer of an org means that is not a success. Facts: docs/facts/salesforce.md sections 3f and 4.
"""

import logging
import re
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from connector import redact
from connector.errors import ApiError, IdentityError
from connector.http.answers import Answer, is_sendable, json_or_none
from connector.http.credentials import SharedCredential
from connector.http.ratelimit import Gate
from connector.http.refusals import explained, read_refusals
from connector.http.session import HttpSession
from connector.salesforce.answers import READER
from connector.salesforce.login import login_remedy, refusal, token_form
from connector.settings import LOOPBACK, KeyLogin, LimitSettings, SecretLogin, check_url, variable
from connector.times import parse_http_date, utc_now
from connector.warehouse.identity import BASE_URL, MOVED, Identity

log = logging.getLogger(__name__)

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
LOGIN_SETTING = variable("salesforce", "login_url")
_IDENTITY = re.compile(r"/id/(00D\w{12,15})/(005\w{12,15})?")
REFUSALS = read_refusals(__package__)


@dataclass(slots=True)
class Grant:
    """A session with an org. Nothing in the answer tells its lifetime, so a 401 ends it."""

    access_token: str
    instance_url: str
    org_id: str
    # The run-as user, from the identity URL; empty where the answer has none.
    user_id: str = ""

    @property
    def identity(self) -> Identity:
        """The org, by its organization id; by its URL where the answer named none."""
        kind = BASE_URL if self.org_id == self.instance_url else "organization id"
        return Identity("org", self.org_id, kind, self.instance_url)


class OrgSession(SharedCredential[Grant]):
    """Logs in to one org. `http` calls the login host and is the caller's to close.

    `remedy` is what to check when the org refuses the login or ends its sessions.
    """

    def __init__(self, login: SecretLogin | KeyLogin, gate: Gate, limits: LimitSettings) -> None:
        super().__init__()
        self.http = HttpSession(login.login_url, gate, setting=LOGIN_SETTING, limits=limits)
        self._login = login
        self.remedy = login_remedy(login)
        self._grant: Grant | None = None
        self._before: Grant | None = None
        self._clock: datetime | None = None
        if isinstance(login, SecretLogin):
            redact.register(login.client_secret)

    @property
    def clock(self) -> datetime:
        """The org's clock, by the Date header of its last answer; ours before there is one."""
        return self._clock or utc_now()

    def note_clock(self, answer: Answer) -> None:
        """Learn the org's clock from an answer."""
        self._clock = parse_http_date(answer.headers.get("date")) or self._clock

    async def _live(self) -> Grant:
        if self._grant is None:
            self._grant = await self._open()
        return self._grant

    def _discard(self, refused: Grant) -> None:
        if self._grant is refused:
            log.info("the org session ended; opening a new one")
            self._grant = None

    async def _open(self) -> Grant:
        form = token_form(self._login, utc_now())
        answer = await self.http.call("POST", TOKEN_PATH, form=form, headers={"accept": "application/json"})
        if not answer.ok:
            passing = answer.status >= 500 or answer.status == 429
            raise explain(answer) if passing else refusal(self._login, answer)
        grant = granted(answer, self._login.login_url, self.remedy)
        self.note_clock(answer)
        self._compare(grant)
        return grant

    def _compare(self, grant: Grant) -> None:
        """Say that the org has moved since the last login. Raises IdentityError where it is another org."""
        before, self._before = self._before, grant
        if before and before.org_id != grant.org_id:
            raise IdentityError(
                f"A new login led to another org ({grant.org_id} instead of {before.org_id}); nothing was sent to it.",
                remedy=f"Check {LOGIN_SETTING} and any proxy between.",
            )
        if before and before.instance_url != grant.instance_url:
            log.warning(MOVED, grant.org_id, before.instance_url, grant.instance_url)


def granted(answer: Answer, login_url: str, remedy: str) -> Grant:
    """The session in a token answer.

    Raises ProtocolError, which never shows the token, for an answer without one, or whose token may not be sent.
    """
    reader = replace(READER, remedy=remedy)
    document = reader.object(answer)
    token, instance = document.get("access_token"), document.get("instance_url")
    redact.register(token if isinstance(token, str) else None)
    if not (isinstance(token, str) and is_sendable(token)):
        raise reader.error(answer, "access_token is no text of plain ASCII characters")
    if not is_instance(instance, login_url):
        raise reader.error(answer, "instance_url is no https address, so no token is sent there")
    instance = str(instance).rstrip("/")
    named = document.get("id")
    found = _IDENTITY.search(str(named or ""))
    if named and not found:
        raise reader.error(answer, "id names no organization")
    return Grant(token, instance, found[1] if found else instance, (found[2] or "") if found else "")


def is_instance(value: object, login_url: str) -> bool:
    """Whether calls, and the token with them, may go to this address: https, or loopback where the login is there."""
    try:
        parts = urlsplit(check_url(str(value)))
    except PydanticCustomError:
        return False
    local = parts.hostname in LOOPBACK
    plain = parts.netloc.isascii() and not parts.path
    return plain and (not local or urlsplit(login_url).hostname in LOOPBACK)


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
