"""One page of a collection: query parameters in, the envelope's bytes out (docs/facts/absorb.md section 4)."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from starlette.responses import Response

from connector.sandbox.kit.faults import Profile
from connector.sandbox.kit.instants import canonical
from connector.sandbox.portal.errors import unprocessable
from connector.sandbox.portal.odata import Condition, compile_filter, compile_sort
from connector.sandbox.portal.schema import ALL, Stream
from connector.sandbox.portal.state import Portal

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
MAX_OFFSET = 65_535


@dataclass
class Lister:
    """Answers the paged lists of one portal."""

    portal: Portal
    profile: Profile
    _turn: Iterator[int] = field(default_factory=itertools.count)

    def answer(
        self, stream_name: str, query: Mapping[str, str], scope: Condition, *, collection: str | None = None
    ) -> Response:
        """Serve one page; ``scope`` narrows the list to a course or a user, ``collection`` names it in the envelope."""
        stream = ALL[stream_name]
        limit = _whole(query, "limit", DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)
        offset = _whole(query, "offset", 0, lowest=0, highest=MAX_OFFSET)
        self._refuse_dates(query)
        where = _where(stream, query, scope)
        order = self._order(stream, query.get("_sort", ""))
        total, texts = self.portal.page(
            stream_name, where=where.sql, parameters=where.parameters, order=order, limit=limit, skip=limit * offset
        )
        head = (
            f'{{"totalItems":{total},"returnedItems":{len(texts)},"limit":{limit},"offset":{offset},'
            f'"{collection or stream_name}":['
        )
        return Response((head + ",".join(texts) + "]}").encode(), media_type="application/json")

    def _refuse_dates(self, query: Mapping[str, str]) -> None:
        if query.get("modifiedSince") and self.profile.refuse_modified_since:
            raise unprocessable("The parameter 'modifiedSince' is not supported.")
        if "dateedited" in query.get("_filter", "").casefold() and self.profile.refuse_date_filter:
            raise unprocessable("The field 'dateEdited' does not support filtering.")

    def _order(self, stream: Stream, sort: str) -> str:
        if sort and self.profile.refuse_sort:
            raise unprocessable(f"The field '{sort}' does not support sorting.")
        wanted = compile_sort(sort, stream) if sort and not self.profile.ignore_sort else []
        ties = self._ties(sorted_by_client=bool(wanted))
        wanted = wanted or [(stream.expression(stream.default_sort), False)]
        parts = [f"{sql} {'DESC' if descending else 'ASC'}" for sql, descending in wanted]
        return ", ".join([*parts, ties])

    def _ties(self, *, sorted_by_client: bool) -> str:
        """Equal values keep one stable order, except where a profile shuffles them."""
        if self.profile.shuffle_ties:
            return f"substr(key, {2 + next(self._turn) % 30}), seq"
        return "key" if sorted_by_client else "seq"


def _where(stream: Stream, query: Mapping[str, str], scope: Condition) -> Condition:
    conditions = [scope, deprecated_conditions(query, with_status="status" in stream.columns)]
    if query.get("_filter"):
        conditions.append(compile_filter(query["_filter"], stream))
    return _all(conditions)


def deprecated_conditions(query: Mapping[str, str], *, with_status: bool = True) -> Condition:
    """What ``modifiedSince`` and ``status`` ask for."""
    conditions = []
    if query.get("modifiedSince"):
        conditions.append(_modified_since(query["modifiedSince"]))
    if with_status and query.get("status"):
        conditions.append(Condition("status = ?", (_status(query["status"]),)))
    return _all(conditions)


def _all(conditions: list[Condition]) -> Condition:
    sql = " AND ".join(condition.sql for condition in conditions) or "1 = 1"
    return Condition(sql, tuple(value for condition in conditions for value in condition.parameters))


def _modified_since(text: str) -> Condition:
    """Strictly later than the given instant; a value without a zone is UTC."""
    moment = canonical(text)
    if moment is None:
        raise unprocessable(f"'{text}' is not a valid modifiedSince.")
    return Condition("date_edited > ?", (moment,))


def _status(text: str) -> int:
    if not text.isdecimal() or int(text) > 12:
        raise unprocessable(f"'{text}' is not a valid status.")
    return int(text)


def _whole(query: Mapping[str, str], name: str, default: int, *, lowest: int, highest: int) -> int:
    """Read ``_limit`` or ``_offset``, or their deprecated spelling without the underscore."""
    text = query.get(f"_{name}") or query.get(name)
    if not text:
        return default
    value = int(text) if text.lstrip("-").isdecimal() and len(text) < 12 else None
    if value is None or not lowest <= value <= highest:
        raise unprocessable(f"_{name} must be a whole number from {lowest} to {highest}.")
    return value
