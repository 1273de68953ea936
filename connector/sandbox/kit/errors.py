"""The one refusal of the sandbox; each house prints it in the shape of the API that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the sandbox
    """What a caller is told in place of what it asked for.

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
