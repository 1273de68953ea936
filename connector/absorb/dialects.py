"""How a list is asked for what changed since an instant: by `modifiedSince`, by a filter of dateEdited, or not at all.

The vendor's page flags `modifiedSince` as deprecated on the paged lists and leaves `_filter` in its place
(docs/facts/absorb.md sections 1 and 4). `modifiedSince` is asked first, because clients are known to use it. A portal
that refuses it is asked the next way, found out once per list and kept; where both are refused the list is read whole,
and the loader stores the rows that differ.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Any

from connector.absorb.walk.pages import MILLISECOND, SECOND, Ask
from connector.errors import BadRequestError
from connector.http.session import QueryParams
from connector.times import to_absorb, to_odata

log = logging.getLogger(__name__)

# What a 400 says when it is about the query; a 422 always is (docs/facts/absorb.md section 3).
_QUERY_WORDS = ("modifiedsince", "dateedited", "_filter", "semantic")


class Dialect(Enum):
    """One way; the value is what `ops.dialects` keeps and what is shown to people."""

    MODIFIED_SINCE = "modifiedSince"
    FILTER = "_filter=dateEdited"
    WHOLE = "whole reads"

    @property
    def grain(self) -> timedelta | None:
        """The finest instant that can be asked with; None where none can."""
        return {Dialect.MODIFIED_SINCE: MILLISECOND, Dialect.FILTER: SECOND, Dialect.WHOLE: None}[self]


Trial = Callable[[Ask, Dialect], Awaitable[Any]]


@dataclass(slots=True)
class Dialects:
    """How the lists of one portal are asked. `keep` is told (list, dialect, the portal's words) of each change."""

    known: dict[str, Dialect] = field(default_factory=dict)
    keep: Callable[[str, Dialect, str], None] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def of(self, name: str) -> Dialect:
        """How the list is asked."""
        return self.known.get(name, Dialect.MODIFIED_SINCE)

    async def after_refusal(
        self, name: str, used: Dialect, ask: Ask, refusal: BadRequestError, trial: Trial
    ) -> Dialect | None:
        """How to ask from now on; None where the refusal of `ask` has nothing to do with its instant.

        `trial` asks for a page in some dialect. Of many lists that are refused at once, the first one finds out.
        """
        if ask.modified_since is None or not concerns_query(refusal):
            return None
        async with self._lock:
            if self.of(name) is not used:
                return self.of(name)
            if not await _answers(trial, replace(ask, modified_since=None), used):
                return None
            found = await _other(trial, ask, used)
            self.known[name] = found
            log.warning("%s: the portal refuses %s (%s); from now on %s", name, used.value, refusal, found.value)
            if self.keep:
                await asyncio.to_thread(self.keep, name, found, refusal.body)
            return found


async def _other(trial: Trial, ask: Ask, refused: Dialect) -> Dialect:
    for dialect in (Dialect.MODIFIED_SINCE, Dialect.FILTER):
        if dialect is not refused and await _answers(trial, ask, dialect):
            return dialect
    return Dialect.WHOLE


async def _answers(trial: Trial, ask: Ask, dialect: Dialect) -> bool:
    """Whether the portal takes the request. Raises ApiError for a failure that says nothing of it."""
    try:
        await trial(ask, dialect)
    except BadRequestError as refusal:
        if concerns_query(refusal):
            return False
        raise
    return True


def concerns_query(refusal: BadRequestError) -> bool:
    """Whether the portal could not make sense of the query."""
    said = refusal.body.casefold()
    return refusal.status == 422 or (refusal.status == 400 and any(word in said for word in _QUERY_WORDS))


def page_params(ask: Ask, dialect: Dialect, query: QueryParams | None = None) -> Mapping[str, Any]:
    """The query of a page, with that of the list. `_offset` counts pages; both `_limit` and `_offset` must be given."""
    params: dict[str, Any] = {**(query or {}), "_limit": ask.limit, "_offset": ask.offset}
    if ask.sort:
        params["_sort"] = "dateEdited"
    if ask.modified_since is None:
        return params
    if dialect is Dialect.FILTER:
        by_date, own = f"dateEdited ge {to_odata(ask.modified_since)}", params.get("_filter")
        params["_filter"] = f"({own}) and {by_date}" if own else by_date
    else:
        params["modifiedSince"] = to_absorb(ask.modified_since)
    return params
