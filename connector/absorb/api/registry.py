"""Every operation of AbsorbApi by name: `learnsync api` lists and calls them.

Parameters are read from the methods' signatures. Method and path stand in the methods themselves: each is called once
with a client that only notes what it was asked for, with one made-up GUID per parameter, put back as `{parameter}`.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel
from typing_extensions import is_typeddict

from connector.absorb.api import AbsorbApi
from connector.absorb.client import AbsorbClient
from connector.absorb.login.tokens import Authenticator
from connector.http.answers import Answer
from connector.http.session import HttpSession


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a method takes; `kind` is the annotation."""

    name: str
    kind: Any
    required: bool

    @property
    def is_many(self) -> bool:
        """True for a list of ids."""
        return get_origin(self.kind) is Sequence

    @property
    def is_body(self) -> bool:
        """True for the JSON object of a request."""
        return inspect.isclass(self.kind) and issubclass(self.kind, BaseModel)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the vendor: its name here, what it does, how it is asked for, and what it takes."""

    name: str
    summary: str
    verb: str
    path: str
    parameters: tuple[Parameter, ...]

    @property
    def writes(self) -> bool:
        """True when it changes the portal."""
        return self.verb != "GET"

    def needs(self, parameter: Parameter) -> bool:
        """True when no call is made without it; an empty list of ids narrows a read to none of them."""
        return parameter.required and (self.writes or not parameter.is_many)

    @property
    def body(self) -> Parameter | None:
        """What a request body is: the parameter that is one, or the list that a write sends."""
        return next((one for one in self.parameters if one.is_body or (self.writes and one.is_many)), None)

    async def call(self, client: AbsorbClient, values: Mapping[str, Any]) -> Any:
        """Make the call; rows of a list are gathered. Raises ApiError, and ValueError for an id that is no GUID."""
        answer = _method(AbsorbApi(client), self.name)(**values)
        return [row async for row in answer] if isinstance(answer, AsyncIterator) else await answer


class _AskedError(Exception):
    """Method and path of the request that an operation would have made."""


class _Noting(AbsorbClient):
    """A client of no portal, which makes no call."""

    def __init__(self) -> None:
        super().__init__(cast(HttpSession, None), cast(Authenticator, None))

    async def call(self, method: str, path: str, **_: Any) -> Answer:
        raise _AskedError(method, path)


@lru_cache
def operations() -> dict[str, Operation]:
    """Name → operation, in the order of the vendor's page. Not to be called inside a running event loop."""
    api = AbsorbApi(_Noting())
    groups = {name: group for name, group in vars(api).items() if not name.startswith("_")}
    names = [
        f"{group}.{name}"
        for group, one in groups.items()
        for name, member in vars(type(one)).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]
    return asyncio.run(_described(api, names))


async def _described(api: AbsorbApi, names: list[str]) -> dict[str, Operation]:
    return {name: await _describe(api, name) for name in names}


async def _describe(api: AbsorbApi, name: str) -> Operation:
    method = _method(api, name)
    parameters = tuple(_parameters(method))
    made_up = {one.name: UUID(int=number) for number, one in enumerate(parameters, 1)}
    values = {one.name: _sample(one, made_up[one.name]) for one in parameters if one.required}
    verb, path = await _asked(method(**values))
    for parameter, value in made_up.items():
        path = path.replace(str(value), f"{{{parameter}}}")
    summary = (inspect.getdoc(method) or "").split("\n\n")[0].replace("\n", " ")
    return Operation(name, summary, verb, path, parameters)


async def _asked(call: Any) -> tuple[str, str]:
    try:
        await (anext(call) if isinstance(call, AsyncIterator) else call)
    except _AskedError as asked:
        verb, path = asked.args
        return str(verb), str(path)
    raise TypeError("an operation made no request")


def _method(api: AbsorbApi, name: str) -> Callable[..., Any]:
    group, _, method = name.partition(".")
    return cast(Callable[..., Any], getattr(getattr(api, group), method))


def _parameters(method: Callable[..., Any]) -> list[Parameter]:
    hints, found = get_type_hints(method), list[Parameter]()
    for name, one in inspect.signature(method).parameters.items():
        if one.kind is inspect.Parameter.VAR_KEYWORD:  # **narrow: Unpack[Narrow]
            [shape] = get_args(hints[name])
            found += [Parameter(key, kind, False) for key, kind in _fields(shape).items()]
        else:
            found.append(Parameter(name, hints[name], one.default is inspect.Parameter.empty))
    return found


def _fields(shape: Any) -> dict[str, Any]:
    return get_type_hints(shape) if is_typeddict(shape) else {}


def _sample(parameter: Parameter, made_up: UUID) -> Any:
    if parameter.is_body:
        return parameter.kind.model_construct()
    return [made_up] if parameter.is_many else made_up
