"""The two kinds of refusal an org gives: of one record, and of a whole request."""

from __future__ import annotations

from typing import Any


class RecordError(Exception):
    """One record refused; an entry of ``errors`` in an UpsertResult (facts/salesforce.md section 3b)."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)

    def as_dict(self) -> dict[str, Any]:
        """The entry as the REST API prints it inside a result."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


class RequestError(Exception):
    """A whole request refused; becomes ``[{message, errorCode}]`` (facts/salesforce.md section 3f)."""

    def __init__(self, status: int, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = list(fields)

    def as_list(self) -> list[dict[str, Any]]:
        """The error body as the REST API prints it."""
        entry: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            entry["fields"] = self.fields
        return [entry]
