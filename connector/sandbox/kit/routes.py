"""The one form of route table: path → HTTP method → function, behind the door of an API.

A path that ends with ``[/]`` is served with and without the slash.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.kit.errors import Refusal, Shape

H = TypeVar("H")
C = TypeVar("C")
_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Call(Generic[H]):
    """One request to a house, with its body read."""

    house: H
    request: Request
    body: bytes

    @property
    def path(self) -> dict[str, Any]:
        """Parameters of the path."""
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        """Parameters of the query."""
        return self.request.query_params

    def parsed(self, refuse: Callable[[str], Refusal]) -> Any:
        """The body as JSON; raises what ``refuse`` makes of the parser's message."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise refuse(str(error)) from error


Table = Mapping[str, Mapping[str, Callable[[C], Response]]]


@dataclass(frozen=True)
class Door(Generic[C]):
    """How an API receives calls: who is let in, how refusals look, what every answer carries.

    `admit` takes the request, its body and the path of the route; it counts the call, and raises Refusal. With
    `other_method` every method reaches the door, and those without a function are refused there; without it they
    count as unknown paths. A call holds the `lock` of its house from its admission to its answer.
    """

    admit: Callable[[Request, bytes, str], C]
    shape: Shape
    dress: Callable[[Response], None] | None = None
    other_method: Callable[[str, Iterable[str]], Refusal] | None = None
    lock: AbstractContextManager[Any] = field(default_factory=nullcontext)

    def routes(self, table: Table[C], prefix: str = "") -> list[Route]:
        """The routes of a table, in its order."""
        return [self._route(prefix, path, table[key]) for key in table for path in _spellings(key)]

    def _route(self, prefix: str, path: str, functions: Mapping[str, Callable[[C], Response]]) -> Route:
        async def endpoint(request: Request) -> Response:
            response = self._answer(request, await request.body(), path, functions)
            if self.dress:
                self.dress(response)
            return response

        return Route(prefix + path, endpoint, methods=list(_VERBS if self.other_method else functions))

    def _answer(
        self, request: Request, body: bytes, path: str, functions: Mapping[str, Callable[[C], Response]]
    ) -> Response:
        try:
            with self.lock:
                call = self.admit(request, body, path)
                function = functions.get("GET" if request.method == "HEAD" else request.method)
                if function is None:
                    assert self.other_method is not None
                    raise self.other_method(request.method, functions)
                return function(call)
        except Refusal as refusal:
            return json_response(self.shape(refusal), refusal.status)


def open_door(house: H, shape: Shape, lock: AbstractContextManager[Any]) -> Door[Call[H]]:
    """A door that lets everybody in."""
    return Door(lambda request, body, _path: Call(house, request, body), shape, lock=lock)


def application(
    routes: Iterable[Route],
    unknown: Callable[[Request, int], Refusal],
    shape: Shape,
    middleware: Iterable[Middleware] = (),
) -> Starlette:
    """The routes as an app that answers unknown paths (404) and methods (405) with the refusal made of them."""

    async def lost(request: Request, error: Exception) -> Response:
        refusal = unknown(request, error.status_code if isinstance(error, HTTPException) else 500)
        return json_response(shape(refusal), refusal.status)

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {HTTPException: lost}
    return Starlette(routes=list(routes), middleware=list(middleware), exception_handlers=handlers)


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any JSON answer."""
    text = json.dumps(body, separators=(",", ":")).encode()
    return Response(text, status_code=status, headers=headers, media_type="application/json")


def _spellings(path: str) -> tuple[str, ...]:
    bare = path.removesuffix("[/]")
    return (bare,) if bare == path else (bare, bare + "/")
