"""The only module that imports httpx: timeouts, limits of answers, retries, rate and concurrency, counting, logs.

It knows nothing of Absorb or Salesforce. A call returns an `Answer` whatever its status; the clients above decide
what a status means. Only "no answer at all" is an error here.
"""

import json as jsonlib
import logging
import os
import random
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict, Unpack

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from connector import __version__, files
from connector.absent import skip_if_absent
from connector.errors import SettingsError, UnreachableError
from connector.http import retry
from connector.http.answers import Answer
from connector.http.limits import ACCEPTED_ENCODINGS, ENCODINGS, PLAIN, CallLimit, DefaultLimits, Limits, beginning
from connector.http.ratelimit import Gate

log = logging.getLogger(__name__)
skip_if_absent("sniffio")

# A page of 1,000 rows may take the gateway's whole 29 s (docs/facts/absorb.md section 3); reads get twice that.
TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=60.0, pool=None)
# Until a host has answered once, a failure to connect is most likely a wrong URL: say so soon.
FIRST_CONTACT_ATTEMPTS = 3
CHUNK_BYTES = 256 * 1024

QueryParams = Mapping[str, str | int | float | bool | Sequence[str] | None]


class Request(TypedDict, total=False):
    """What a call sends besides method and path, and how.

    Files of any size pass through without being held: `upload` is sent as the body, and the body of a success is
    written to `sink`, anew by each attempt, so that the answer's own body is empty.

    A call that must not be carried out twice is not `repeatable`: it is tried again only on 429 and when no connection
    came about, for then nobody can have acted on it.
    """

    params: QueryParams | None
    json: Any
    form: Mapping[str, str]
    headers: Mapping[str, str]
    upload: Path | None
    sink: Path | None
    repeatable: bool


@dataclass(slots=True)
class CallStats:
    """What a session has spent."""

    requests: int = 0
    retries: int = 0


class _TryAgainError(Exception):
    def __init__(self, wait: retry.Wait, reason: str) -> None:
        self.wait = wait
        super().__init__(reason)


def _pause(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    if not isinstance(failure, _TryAgainError):
        return 0.0
    return max(failure.wait.at_least, random.uniform(0, failure.wait.backoff))  # noqa: S311 - jitter, not a secret


class HttpSession(AbstractAsyncContextManager["HttpSession"]):
    """Calls to one host, and never to another. Use as an async context manager.

    `setting` is the variable that a wrong host points at, `limits` are those of each call.
    """

    def __init__(
        self,
        base_url: str,
        gate: Gate,
        *,
        setting: str,
        headers: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.stats = CallStats()
        self._gate = gate
        self._setting = setting
        self._limits = limits or DefaultLimits()
        self._answered = False
        self._client = _connected(self.base_url)
        self._headers = {**self._client.headers, **(headers or {})}
        self._patience = {"timeout": TIMEOUT.as_dict()}

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def call(self, method: str, path: str, **request: Unpack[Request]) -> Answer:
        """Make one call, trying again on no answer, 429 and 5xx.

        Raises UnreachableError when no attempt got an answer, LimitError for one that is too large or too slow: that
        is not asked for again. A retryable status that outlives all attempts is returned like any other. `path` begins
        with one slash: an absolute URL would take the credentials to another host.
        """
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"not a path of this host: {path[:80]!r}")
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TryAgainError), wait=_pause, before_sleep=self._note_retry, reraise=True
        )
        async for attempt in retrying:
            with attempt:
                return await self._attempt(method, path, request, attempt.retry_state.attempt_number)
        raise AssertionError("tenacity ended without a result")  # pragma: no cover

    def _note_retry(self, state: RetryCallState) -> None:
        self.stats.retries += 1
        reason = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        log.info("%s: trying again in %.1f s (attempt %d)", reason, pause, state.attempt_number + 1)

    async def _attempt(self, method: str, path: str, request: Request, number: int) -> Answer:
        started, repeatable = time.perf_counter(), request.get("repeatable", True)
        try:
            async with self._gate.turn():
                self.stats.requests += 1
                answer = await self._exchange(method, path, request)
        except (httpx.TransportError, httpx.DecodingError) as failure:
            unheard = isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout)
            raise self._no_answer(method, path, failure, number, again=repeatable or unheard) from failure
        except (httpx.InvalidURL, UnicodeError) as failure:
            raise UnreachableError(
                f"{method} {self.base_url}{path} cannot be sent ({type(failure).__name__}).",
                remedy=f"Check {self._setting} and the keys beside it: they must be plain ASCII.",
            ) from None
        self._answered = True
        log.debug("%s %s -> %d in %.0f ms", method, path, answer.status, (time.perf_counter() - started) * 1000)
        after = answer.retry_after
        within_reason = after is None or after <= retry.LONGEST_RETRY_AFTER_SECONDS
        self._gate.note(answer.status, after if within_reason else None)
        verdict = retry.decide(number, answer.status, after)
        if isinstance(verdict, retry.Wait) and (repeatable or answer.status == 429):
            raise _TryAgainError(verdict, f"{method} {path} answered {answer.status}")
        return answer

    async def _exchange(self, method: str, path: str, request: Request) -> Answer:
        sink, where = request.get("sink"), f"{method} {self.base_url}{path}"
        kinds = {"sends_file": bool(request.get("upload")), "fetches_file": sink is not None}
        limit = CallLimit.of(self._limits, where, self._setting, **kinds)
        async with limit.in_time(), self._answer(method, path, request) as response:
            headers = _plain(response)
            chunks, body = limit.in_size(_decoded(response, headers)), b""
            if not response.is_success:
                body = await beginning(chunks)
            elif sink is None:
                body = limit.not_too_dense(b"".join([chunk async for chunk in chunks]))
            else:
                with files.open_bytes(sink) as file:
                    async for chunk in chunks:
                        file.write(chunk)
            return Answer(method, path, response.status_code, headers, body)

    @asynccontextmanager
    async def _answer(self, method: str, path: str, request: Request) -> AsyncIterator[httpx.Response]:
        """What the host answers, its body not read yet.

        The request is made here, since the client would read its URL and the host's three times to put them together.
        """
        sent = _sent(request)
        headers = self._headers | {name.lower(): value for name, value in sent.pop("headers").items()}
        made = httpx.Request(
            method,
            self.base_url + path,
            headers=headers,
            cookies=self._client.cookies,
            extensions=self._patience,
            **sent,
        )
        response = await self._client.send(made, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    def _no_answer(self, method: str, path: str, failure: Exception, number: int, *, again: bool) -> Exception:
        said = ": ".join(filter(None, (type(failure).__name__, str(failure).strip())))
        reason = f"{method} {self.base_url}{path} got no answer ({said})"
        verdict = retry.decide(number, None)
        if again and isinstance(verdict, retry.Wait) and (self._answered or number < FIRST_CONTACT_ATTEMPTS):
            return _TryAgainError(verdict, reason)
        return UnreachableError(
            f"{reason} in {number} attempts.", remedy=f"Check {self._setting}, DNS, proxy and firewall, then run again."
        )


def _connected(base_url: str) -> httpx.AsyncClient:
    """The client of one host, which follows no redirect: that would take the credentials elsewhere."""
    standard = {"user-agent": f"learnsync/{__version__}", "accept-encoding": ACCEPTED_ENCODINGS}
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=TIMEOUT,
        verify=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        follow_redirects=False,
        trust_env=True,
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        headers=standard,
    )


def _plain(response: httpx.Response) -> dict[str, str]:
    """The headers by their lower-cased names: those of httpx work out their encoding each time one is read."""
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _decoded(response: httpx.Response, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The body, decompressed. Raises DecodingError for more than one layer of compression, or one not asked for."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise httpx.DecodingError(f"the body is compressed in a way that was not asked for: {encoding[:40]!r}")
    return response.aiter_raw() if encoding in PLAIN else response.aiter_bytes()


TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@lru_cache
def _trust(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:  # noqa: ARG001 - the variables that httpx reads
    """Whose certificates are trusted. Reading them takes some 30 ms, so all sessions of a process share them."""
    try:
        return httpx.create_ssl_context(trust_env=True)
    except OSError as failure:  # also what is no certificate
        named = " and ".join(f"{name} = {os.environ[name]}" for name in TRUST_VARIABLES if name in os.environ)
        raise SettingsError(
            f"{named}: cannot be read as certificates ({failure.strerror or failure}).",
            remedy="Let it name a PEM file (SSL_CERT_DIR: a folder of them), or unset it.",
        ) from None


def _sent(request: Request) -> dict[str, Any]:
    """The request in httpx's words. For each attempt anew: an upload is consumed by it."""
    headers = dict(request.get("headers", {}))
    sent: dict[str, Any] = {"params": request.get("params"), "data": request.get("form"), "headers": headers}
    if request.get("json") is not None:
        headers.setdefault("content-type", "application/json")
        sent["content"] = jsonlib.dumps(request["json"], separators=(",", ":")).encode()
    if upload := request.get("upload"):
        # A length in the header, or the body would be sent chunked.
        headers["content-length"] = str(upload.stat().st_size)
        sent["content"] = _read_chunks(upload)
    return sent


async def _read_chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
