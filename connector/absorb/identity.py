"""Which portal answers: the id of its root department, by which portals behind one regional gateway are told apart.

A department names the one above it in `parentId`, the root has none (docs/facts/absorb.md section 5).
"""

from typing import Any

from connector.absorb.client import AbsorbClient
from connector.absorb.faults import READER, is_key_refused
from connector.absorb.lists import LIST_PATHS
from connector.absorb.walk.pages import MAX_LIMIT
from connector.errors import BadRequestError, NotFoundError, PermissionDeniedError
from connector.http.session import QueryParams
from connector.warehouse.identity import BASE_URL, Identity

_ROOTS: QueryParams = {"_limit": MAX_LIMIT, "_offset": 0, "_filter": "parentId eq null"}
_NONE = (None, "", "00000000-0000-0000-0000-000000000000")
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
        document = await client.read(LIST_PATHS["departments"], READER.object, query)
    except (BadRequestError, PermissionDeniedError, NotFoundError) as failure:
        if is_key_refused(failure):
            raise
        return []  # a filter that the portal does not know, or a role that may not see departments
    rows = document.get("departments")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [row for row in found if isinstance(row.get("id"), str) and row.get("parentId") in _NONE]


def _age(department: dict[str, Any]) -> tuple[str, str]:
    return str(department.get("dateAdded") or ""), str(department["id"]).lower()
