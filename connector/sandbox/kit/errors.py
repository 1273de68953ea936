"""The one exception that becomes an error answer; each API prints it in its own shape."""

from collections.abc import Callable
from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the sandbox
    """An error answer.

    `status` is the HTTP status, `code` the API's own name of the error (empty where it has none), `details` what it
    lists beside the message: fields, validations, addresses.
    """

    def __init__(self, status: int, code: str, message: str, *details: Any) -> None:
        super().__init__(": ".join(text for text in (code, message) if text))
        self.status = status
        self.code = code
        self.message = message
        self.details = details


Shape = Callable[[Refusal], Any]
