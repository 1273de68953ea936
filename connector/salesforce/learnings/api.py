"""The Learnings Graph resource: find, create and update one learning (docs/facts/salesforce.md section 6).

One learning a call, always: the documents name no limit, no order of `details` and no atomicity for several, and an
answer that is lost must leave no doubt about which learning it was about.
"""

import re
from urllib.parse import quote

from pydantic import ValidationError

from connector.errors import BadRequestError, NotFoundError
from connector.http.answers import Reader
from connector.push.outcomes import RowResult
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.models import CreateLearning, Graph, ManagedLearnings, UpdateLearning

PATH = "connect/education/academic-operations/learnings"
FIRST_VERSION = 62
# The documented error has a field and a message, no code: most Salesforce messages carry theirs in capitals.
_CODE = re.compile(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b")
NO_CODE = "LEARNING_REFUSED"
READER = Reader(
    "answered with something that is no answer of the Learnings Graph",
    "Check LEARNSYNC_SALESFORCE__API_VERSION, or set LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH=false.",
)


class LearningsGraph:
    """Calls of one org. `key_field` is the custom field of LearningCourse that holds the course's id."""

    def __init__(self, client: SalesforceClient, key_field: str) -> None:
        self._client = client
        self._key_field = key_field
        self._path = f"/services/data/v{client.version}/{PATH}"

    async def find(self, course_id: str) -> Graph | None:
        """The learning with this external id, None where the org has none."""
        return await self._get(course_id, {"course_external_id_field": self._key_field})

    async def get(self, learning_id: str) -> Graph | None:
        """The learning with this Salesforce id, None where the org has none."""
        return await self._get(learning_id, {})

    async def write(self, learning: CreateLearning | UpdateLearning) -> RowResult:
        """Create or update a learning. Only a change of fields alone is repeated by itself, which is safe.

        Raises UnreachableError, ServerFaultError or ProtocolError when it is not known whether a learning was made or
        its requirements changed: whoever gets no answer must look before another try.
        """
        create = isinstance(learning, CreateLearning)
        alone = not (create or learning.prerequisites or learning.corequisites or learning.recommended)
        body, method = {"learnings": [learning.body()]}, "POST" if create else "PATCH"
        try:
            answer = await self._client.call(method, self._path, json=body, repeatable=alone)
        except BadRequestError as refusal:
            # A refusal of the request is that of its one learning; the body may be a result all the same.
            return _result(refusal.body, created=False) or RowResult.refused(refusal.code or NO_CODE, refusal.message)
        result = _result(answer.body, created=create)
        if result is None:
            raise READER.error(answer)
        return result

    async def _get(self, name: str, params: dict[str, str]) -> Graph | None:
        try:
            answer = await self._client.call("GET", f"{self._path}/{quote(name, safe='')}", params=params)
        except NotFoundError:
            return None
        document = READER.object(answer)
        if not document.get("learning"):
            return None
        graph = READER.model(answer, Graph, document)
        return graph if graph.learning.learning_id else None


def _result(body: str | bytes, *, created: bool) -> RowResult | None:
    """The outcome of the one learning that was sent; None for an answer that does not tell it."""
    try:
        details = ManagedLearnings.model_validate_json(body).details
    except ValidationError:
        return None
    if len(details) != 1 or (details[0].success and not details[0].learning_id):
        return None
    if details[0].success:
        return RowResult(True, created, details[0].learning_id, None, None)
    text = "; ".join(f"{e.field}: {e.message}" if e.field else str(e.message) for e in details[0].errors or [])
    found = _CODE.search(text)
    return RowResult.refused(found[0] if found else NO_CODE, text or "refused without a reason")
