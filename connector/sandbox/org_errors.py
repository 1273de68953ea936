"""The two kinds of refusal an org gives: of one record, and of a whole request."""

from __future__ import annotations

from typing import Any


class RecordError(Exception):
    """One record refused; an entry of ``errors`` in an UpsertResult (docs/facts/salesforce.md section 3b)."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)

    def as_dict(self) -> dict[str, Any]:
        """The entry as the REST API prints it inside a result."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


class RequestError(Exception):
    """A whole request refused; becomes ``[{message, errorCode}]`` (docs/facts/salesforce.md section 3f)."""

    def __init__(self, status: int, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = list(fields)

    def as_list(self) -> list[Any]:
        """The error body as the REST API prints it."""
        entry: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            entry["fields"] = self.fields
        return [entry]


class SeveralMatches(RequestError):  # noqa: N818 - an answer of its own kind, 300 Multiple Choices
    """An external id that several records have: the body is their addresses (docs/facts/salesforce.md section 3b)."""

    def __init__(self, addresses: list[str]) -> None:
        super().__init__(300, "MULTIPLE_CHOICES", f"The external id matches {len(addresses)} records")
        self.addresses = addresses

    def as_list(self) -> list[Any]:
        """The addresses, in place of an error."""
        return list(self.addresses)
