"""What every handler of the portal works with, and reading a request's body."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from connector.sandbox.kit import routes
from connector.sandbox.portal.details import DetailStore
from connector.sandbox.portal.errors import not_found, unprocessable
from connector.sandbox.portal.gateway import Gateway
from connector.sandbox.portal.listing import Lister
from connector.sandbox.portal.state import Portal


@dataclass
class House:
    """The portal with all that its API needs."""

    portal: Portal
    gateway: Gateway
    lister: Lister
    details: DetailStore
    account: str

    def me(self) -> str:
        """The id of the user behind the account: 404 where the portal has no users."""
        found = self.portal.me(self.account)
        if found is None:
            raise not_found()
        return str(found["id"]).lower()


Call = routes.Call[House]
Handler = Callable[[Call], Response]


def body_of(call: Call) -> Any:
    """The request's JSON body, or a 422."""
    return call.parsed(lambda _fault: unprocessable("The request body is not valid JSON."))


def folded(body: object) -> dict[str, Any]:
    """A JSON object's properties without regard to case: PascalCase bodies work too."""
    if not isinstance(body, dict):
        raise unprocessable("The request body must be a JSON object.")
    return {str(name).casefold(): value for name, value in body.items()}
