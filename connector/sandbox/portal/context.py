"""What every handler of the Absorb half works with, and reading a request's body."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox.portal.details import DetailStore
from connector.sandbox.portal.errors import not_found, unprocessable
from connector.sandbox.portal.gateway import Gateway
from connector.sandbox.portal.listing import Lister
from connector.sandbox.portal.state import Portal


@dataclass
class Context:
    """What a handler works with."""

    portal: Portal
    gateway: Gateway
    lister: Lister
    details: DetailStore
    account: str

    def me(self) -> str:
        """The id of the user behind the account: 404 where the portal holds nobody."""
        found = self.portal.me(self.account)
        if found is None:
            raise not_found()
        return str(found["id"]).lower()


Handler = Callable[[Context, Request], Awaitable[Response]]


async def body_of(request: Request) -> Any:
    """The request's JSON body, or a 422."""
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise unprocessable("The request body is not valid JSON.") from error


def folded(body: object) -> dict[str, Any]:
    """A JSON object's properties without regard to case: PascalCase bodies work too."""
    if not isinstance(body, dict):
        raise unprocessable("The request body must be a JSON object.")
    return {str(name).casefold(): value for name, value in body.items()}
