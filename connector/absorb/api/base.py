"""What the groups of operations share: the parameters that most reads take, and how ids are named in paths."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TypedDict, TypeVar

from connector.absorb.api.calls import Calls, GuidLike, Ids, Query, guid
from connector.streams.rows import AbsorbRow
from connector.times import to_absorb

R = TypeVar("R", bound=AbsorbRow)


class Narrow(TypedDict, total=False):
    """The two parameters that most reads take; `modified_since` is exclusive (docs/facts/absorb.md section 4)."""

    status: int | None
    modified_since: datetime | None


class Listing(Narrow, total=False):
    """The parameters of paged lists; `where` is an OData `_filter`."""

    where: str | None


class Group:
    """Operations under one heading of the vendor's page."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def _list(
        self,
        path: str,
        model: type[R],
        path_ids: Ids | None = None,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
        where: str | None = None,
    ) -> AsyncIterator[R]:
        query = {"status": status, "_filter": where}
        return self._calls.walk(path, model, path_ids, since=modified_since, query=query)


def ids(**values: GuidLike) -> Ids:
    """Path parameters by the vendor's names: user=… is {userId}. Raises ValueError for what is no GUID."""
    return {f"{name}Id": guid(value, f"{name} id") for name, value in values.items()}


def narrowed(*, status: int | None = None, modified_since: datetime | None = None) -> Query:
    """The query of a read that takes `Narrow`."""
    return {"status": status, "modifiedSince": None if modified_since is None else to_absorb(modified_since)}
