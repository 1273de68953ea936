"""`learnsync api`: any operation of the portal's enrollment section by hand, JSON out."""

import asyncio
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError

from connector.absorb.api.calls import Id, guid
from connector.absorb.api.registry import Operation, Parameter, operations
from connector.absorb.client import AbsorbClient
from connector.cli.command import Outcome, Run, command
from connector.cli.commands import SUMMARIES
from connector.cli.console import new_app, out, plain
from connector.cli.tables import table
from connector.errors import SettingsError
from connector.http.answers import first_complaint
from connector.settings import Settings
from connector.times import parse_instant

app = new_app(help=SUMMARIES["api"], no_args_is_help=True)

ALL_NAMES = "`learnsync api list` shows all."


@app.command("list")
@command(has_verbose=False)
def list_operations(run: Run) -> Outcome:  # noqa: ARG001 - every command gets its run
    """Show every operation: name, method, path, parameters."""
    found = list(operations().values())
    return Outcome({"operations": [_described(one) for one in found]}, partial(_show_list, found))


@app.command("call")
@command()
def call_operation(
    run: Run,
    operation: str,
    *,
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=value; repeat for several. Lists take commas.")
    ] = None,
    body: Annotated[str | None, typer.Option(help="A file with the JSON body, or - for standard input.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Carry out an operation that changes the portal.")] = False,
) -> Outcome:
    """Make one call and print what it answers as JSON; operations that change the portal need --yes."""
    wanted = _operation(operation)
    if wanted.writes and not yes:
        raise SettingsError(
            f"{wanted.name} changes the portal ({wanted.verb} {wanted.path}); nothing was sent.",
            remedy="Add --yes to carry it out.",
        )
    values = _values(wanted, param or [], body)
    answer = _plain(asyncio.run(_call(run.settings, wanted, values)))
    shown = partial(print, json.dumps(answer, default=plain, ensure_ascii=False, indent=2))
    return Outcome({"operation": wanted.name, "result": answer}, shown)


async def _call(settings: Settings, operation: Operation, values: dict[str, Any]) -> Any:
    async with AbsorbClient.of(settings) as client:
        try:
            return await operation.call(client, values)
        except ValueError as wrong:
            raise SettingsError(f"{operation.name}: {wrong}.", remedy="Correct --param or --body.") from None


def _plain(answer: Any) -> Any:
    """The answer with the vendor's names."""
    if isinstance(answer, list):
        return [_plain(row) for row in answer]
    return answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer


def _operation(name: str) -> Operation:
    known = operations()
    if name in known:
        return known[name]
    raise SettingsError(f"{name!r} is not an operation.", remedy=f"{_near(name, known)}{ALL_NAMES}")


def _near(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, list(known), n=3, cutoff=0.4)
    return f"Near it: {', '.join(found)}. " if found else ""


def _values(operation: Operation, params: Sequence[str], body: str | None) -> dict[str, Any]:
    """What the method is called with. Raises SettingsError for what it does not take, and for what it lacks."""
    known = {one.name: one for one in operation.parameters if not one.is_body}
    given: dict[str, list[str]] = {}
    for text in params:
        name, equals, value = text.partition("=")
        parameter = known.get(_snake(name))
        if parameter is None or not equals:
            takes = f"{operation.name} takes {_takes(operation) or 'none'}."
            near = _near(_snake(name), known) if equals else "Write it as name=value. "
            raise SettingsError(f"--param {text!r}: no such parameter.", remedy=f"{near}{takes}")
        given.setdefault(parameter.name, []).append(value)
    values = {name: _value(known[name], texts) for name, texts in given.items()}
    if body is not None:
        values |= _body(operation, body)
    _require(operation, values)
    return values


def _snake(name: str) -> str:
    """The name here of the vendor's `userId`."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name.strip()).lower()


def _value(parameter: Parameter, texts: Sequence[str]) -> Any:
    try:
        if parameter.is_many:
            return [guid(part.strip(), parameter.name) for text in texts for part in text.split(",") if part.strip()]
        if parameter.kind == Id:
            return guid(texts[-1], parameter.name)
        if parameter.kind == datetime | None:
            return parse_instant(texts[-1])
        return TypeAdapter(parameter.kind).validate_python(texts[-1])
    except ValidationError as failure:
        said = first_complaint(failure).removeprefix(": ")
        raise SettingsError(f"--param {parameter.name}: {said}.", remedy="Correct the value.") from None
    except ValueError as failure:
        raise SettingsError(f"--param {parameter.name}: {failure}.", remedy="Correct the value.") from None


def _body(operation: Operation, source: str) -> dict[str, Any]:
    """The body as the parameter that takes it."""
    parameter = operation.body
    if parameter is None:
        raise SettingsError(f"{operation.name} takes no body.", remedy="Leave --body out.")
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
        document = json.loads(text)
        if parameter.is_many:
            return {parameter.name: [guid(entry, parameter.name) for entry in document]}
        return {parameter.name: parameter.kind.model_validate(document)}
    except ValidationError as failure:
        raise SettingsError(f"--body: {first_complaint(failure)}.", remedy=_fields(parameter)) from None
    except (OSError, ValueError, TypeError) as failure:
        raise SettingsError(f"--body {source}: {failure}.", remedy="Give a file with JSON, or - .") from None


def _require(operation: Operation, values: dict[str, Any]) -> None:
    for one in operation.parameters:
        if one.is_many and not operation.needs(one):
            values.setdefault(one.name, [])
    missing = [one for one in operation.parameters if operation.needs(one) and one.name not in values]
    if missing:
        asked = ", ".join("--body FILE" if one.is_body else f"--param {one.name}=…" for one in missing)
        raise SettingsError(f"{operation.name} needs {asked}.", remedy=f"It takes {_takes(operation)}.")


def _takes(operation: Operation) -> str:
    """Its parameters, optional ones in brackets."""
    shown = ("--body {…}" if one.is_body else one.name for one in operation.parameters)
    pairs = zip(shown, operation.parameters, strict=True)
    return ", ".join(text if operation.needs(one) else f"[{text}]" for text, one in pairs)


def _fields(parameter: Parameter) -> str:
    names = (info.alias or name for name, info in parameter.kind.model_fields.items())
    return f"Its fields are {', '.join(names)}."


def _described(operation: Operation) -> dict[str, Any]:
    return {
        "name": operation.name,
        "method": operation.verb,
        "path": operation.path,
        "parameters": [{"name": one.name, "required": operation.needs(one)} for one in operation.parameters],
        "writes": operation.writes,
        "summary": operation.summary,
    }


def _show_list(found: Sequence[Operation]) -> None:
    rows = [(one.name, one.verb, one.path, _takes(one)) for one in found]
    out.print(
        table("Operations", ("name", "method", "path", "parameters (in brackets: optional)"), rows, numbers=False)
    )
