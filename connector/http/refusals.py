"""Refusals as tables: which error an answer that is no success becomes, row by row; the first row that fits counts.

Each API has its table in a file refusals.toml beside its client.
"""

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from connector import errors
from connector.http.answers import Answer, json_or_none
from connector.redact import scrub

# Where APIs put code and description of an error: RFC 6749 section 5.2; docs/facts/absorb.md section 3;
# docs/facts/salesforce.md sections 3f and 4; docs/facts/learning-records.md.
_CODES = ("error", "errorCode", "term", "code")
_DESCRIPTIONS = ("error_description", "message", "Message", "detail")
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row. A condition that is empty fits every answer; of `words`, any one in the body is enough.

    `message` and `remedy` are templates: {where} is method and path, {status}, {text} (the body's beginning), {code}
    and whatever else the API's `explain` gives to `explained`.
    """

    error: type[errors.ApiError]
    message: str
    remedy: str = ""
    statuses: Collection[int] = ()
    codes: Collection[str] = ()
    words: Collection[bytes] = ()

    def fits(self, answer: Answer, code: str) -> bool:
        """Whether this row is about such an answer."""
        return (
            (not self.statuses or answer.status in self.statuses)
            and (not self.codes or code in self.codes)
            and (not self.words or any(word in answer.body for word in self.words))
        )


def read_refusals(package: str | None) -> tuple[Refusal, ...]:
    """The table `<package>/refusals.toml`: `statuses` as in "404 500-599", `error` a class of connector.errors."""
    document = tomllib.loads(files(str(package)).joinpath("refusals.toml").read_text("utf-8"))
    return tuple(_row(**row) for row in document["refusal"])


def _row(error: str, *, statuses: str = "", words: Sequence[str] = (), **rest: Any) -> Refusal:
    spans = (part.partition("-") for part in statuses.split())
    numbers = {number for first, _, last in spans for number in range(int(first), int(last or first) + 1)}
    return Refusal(getattr(errors, error), statuses=numbers, words=[word.encode() for word in words], **rest)


def explained(table: tuple[Refusal, ...], answer: Answer, code: str = "", **values: str) -> errors.ApiError:
    """The error of the first row that fits; a table ends with a row that fits everything."""
    row = next(row for row in table if row.fits(answer, code))
    where = f"{answer.method} {answer.path}"
    facts = {"where": where, "status": answer.status, "text": answer.text, "code": code, **values}
    message, remedy = row.message.format_map(facts), row.remedy.format_map(facts)
    return row.error(message, remedy=remedy, status=answer.status, body=answer.text, code=code)


def login_reason(answer: Answer) -> str:
    """Why a login was refused, as "code: description": nothing else of the body, which may echo the login.

    Scrubbed, without control characters, cut. "no reason given" where the body has neither.
    """
    document = json_or_none(answer)
    for inside in ("errors", "error"):
        if isinstance(document, dict) and isinstance(document.get(inside), dict | list):
            document = document[inside]
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return "no reason given"
    found = [_first_text(document, _CODES), _first_text(document, _DESCRIPTIONS)]
    return ": ".join(filter(None, found)) or "no reason given"


def _first_text(document: dict[str, Any], names: Sequence[str]) -> str:
    text = next((value for name in names if isinstance(value := document.get(name), str) and value), "")
    # Scrubbed before it is cut, or a secret across the cut would show its beginning.
    return "".join(letter for letter in scrub(text) if letter.isprintable())[:LONGEST_REASON]
