"""What a server answered, and the one reader of JSON answers: a document of the expected kind, or a ProtocolError."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from connector.errors import ProtocolError
from connector.http import retry
from connector.redact import scrub
from connector.times import utc_now

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: status, lower-cased headers, body as received."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The beginning of the body, scrubbed, for messages."""
        # Scrubbed before it is cut, or a secret across the cut would show its beginning.
        return scrub(self.body[:20_000].decode("utf-8", "replace"))[:500]

    def json(self) -> Any:
        """Parse the body. Raises ValueError when it is not JSON."""
        return from_json(self.body)

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asked us to stay away, or None."""
        return retry.retry_after_seconds(self.headers.get("retry-after"), utc_now())


def json_or_none(answer: Answer) -> Any:
    """The body as JSON; None where it is not JSON, for bodies of refusals, which may be anything."""
    try:
        return answer.json()
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the successes of one API.

    `unlike` is what the ProtocolError says after method and path; {status}, {why} and {start} (the beginning of the
    body) are filled in. `remedy` is its remedy.
    """

    unlike: str
    remedy: str = ""

    def document(self, answer: Answer) -> Any:
        """The body as JSON of any kind. Raises ProtocolError."""
        try:
            return answer.json()
        except ValueError:
            raise self.error(answer, "the body is not JSON") from None

    def object(self, answer: Answer) -> dict[str, Any]:
        """The body as a JSON object. Raises ProtocolError."""
        document = self.document(answer)
        if not isinstance(document, dict):
            raise self.error(answer, "a JSON object was due")
        return document

    def array(self, answer: Answer) -> list[Any]:
        """The body as a JSON array. Raises ProtocolError."""
        document = self.document(answer)
        if not isinstance(document, list):
            raise self.error(answer, "a JSON array was due")
        return document

    def model(self, answer: Answer, model: type[M], document: Any) -> M:
        """A part of the answer as `model`. Raises ProtocolError, which does not show values: they may be personal."""
        try:
            return model.model_validate(document)
        except ValidationError as failure:
            raise self.error(answer, first_complaint(failure)) from None

    def fit(self, answer: Answer, shape: TypeAdapter[T]) -> T:
        """The whole answer in this shape, of which no more is built than fits. Raises ProtocolError without values."""
        try:
            return shape.validate_json(answer.body)
        except ValidationError as failure:
            raise self.error(answer, first_complaint(failure)) from None

    def error(self, answer: Answer, why: str = "") -> ProtocolError:
        """The error for a success that is not what the API documents."""
        unlike = self.unlike.format(status=answer.status, why=why, start=answer.text[:120])
        return ProtocolError(
            f"{answer.method} {answer.path} {unlike}.", remedy=self.remedy, status=answer.status, body=answer.text
        )


def is_sendable(token: str) -> bool:
    """Whether a token can stand in a header: printable ASCII without blanks, and some of it."""
    return token.isascii() and token.isprintable() and bool(token) and " " not in token


def first_complaint(failure: ValidationError) -> str:
    """The first complaint of pydantic, without the value it is about: that may be personal."""
    found = failure.errors(include_url=False, include_input=False)[0]
    if found["type"] == "json_invalid":  # the message would quote a place in the body, which says little
        return "the body is not JSON"
    place = ".".join(str(part)[:40] for part in found["loc"][:6])
    return f"{place}: {found['msg']}" if place else found["msg"]
