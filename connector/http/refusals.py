"""Refusals as tables: which error an answer that is no success becomes, row by row; the first row that fits counts."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from connector.errors import ApiError
from connector.http.answers import Answer

SERVER_FAULTS = range(500, 1000)
REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row. A condition that is None fits every answer; of `words`, any one in the body is enough.

    `message` and `remedy` are templates: {where} is method and path, {status}, {text} (the body's beginning), {code}
    and whatever else the API's `explain` gives to `explained`.
    """

    error: type[ApiError]
    message: str
    remedy: str = ""
    statuses: Container[int] | None = None
    codes: Container[str] | None = None
    words: Sequence[bytes] | None = None

    def fits(self, answer: Answer, code: str) -> bool:
        """Whether this row is about such an answer."""
        return (
            (self.statuses is None or answer.status in self.statuses)
            and (self.codes is None or code in self.codes)
            and (self.words is None or any(word in answer.body for word in self.words))
        )


def explained(table: Sequence[Refusal], answer: Answer, code: str = "", **values: str) -> ApiError:
    """The error of the first row that fits; a table ends with a row that fits everything."""
    row = next(row for row in table if row.fits(answer, code))
    facts = {
        **values,
        "where": f"{answer.method} {answer.path}",
        "status": answer.status,
        "text": answer.text,
        "code": code,
    }
    return row.error(
        row.message.format_map(facts),
        remedy=row.remedy.format_map(facts),
        status=answer.status,
        body=answer.text,
        code=code,
    )
