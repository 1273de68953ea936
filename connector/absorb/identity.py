"""Which portal answers: the id of its root department, by which portals behind one regional gateway are told apart.

A department names the one above it in `parentId`, the root has none (docs/facts/absorb.md section 5).
"""

from typing import Any

from connector.absorb.bodies import partial_rows
from connector.absorb.client import AbsorbClient
from connector.absorb.faults import READER, is_key_refused
from connector.absorb.lists import LIST_PATHS
from connector.absorb.walk.pages import MAX_LIMIT
from connector.errors import BadRequestError, NotFoundError, PermissionDeniedError, ProtocolError
from connector.http.answers import Answer
from connector.http.session import QueryParams
from connector.warehouse.identity import BASE_URL, Identity

_ROOTS: QueryParams = {"_limit": MAX_LIMIT, "_offset": 0, "_filter": "parentId eq null"}
_NONE = ("", "00000000-0000-0000-0000-000000000000")
_FIRST_PAGE: QueryParams = {"_limit": MAX_LIMIT, "_offset": 0}


async def portal_identity(client: AbsorbClient) -> Identity:
    """The portal that the client talks to: by its oldest root department, or by its URL where the account sees none.

    One call, and a second one where the filter finds nothing. Raises ApiError, UnreachableError.
    """
    url = client.session.base_url
    roots = await _roots(client, _ROOTS) or await _roots(client, _FIRST_PAGE)
    if not roots:
        return Identity("portal", url, BASE_URL, url)
    ids = [root["id"].lower() for root in sorted(roots, key=_age)]
    return Identity("portal", ids[0], "root department", url, frozenset(ids))


async def _roots(client: AbsorbClient, query: QueryParams) -> list[dict[str, Any]]:
    """The departments on one page that are below no other; none where the account may not ask for them so."""
    try:
        rows = await client.read(LIST_PATHS["departments"], _departments, query)
    except (BadRequestError, PermissionDeniedError, NotFoundError) as failure:
        if is_key_refused(failure):
            raise
        return []  # a filter that the portal does not know, or a role that may not see departments
    return [row for row in rows if isinstance(row.get("id"), str) and _is_root(row)]


def _departments(answer: Answer) -> list[dict[str, Any]]:
    """The rows of a page; of one that cannot be read, what can be. Raises ProtocolError."""
    try:
        rows = READER.object(answer).get("departments")
    except ProtocolError:
        rows = partial_rows(answer, "departments")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _is_root(department: dict[str, Any]) -> bool:
    above = department.get("parentId")
    return above is None or above in _NONE


def _age(department: dict[str, Any]) -> tuple[str, str]:
    return str(department.get("dateAdded") or ""), str(department["id"]).lower()
