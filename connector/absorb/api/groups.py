"""The enrollment section of the Absorb Integration API v2, all 27 operations, typed and grouped as the vendor does.

    async with AbsorbClient.of(settings) as client:
        api = AbsorbApi(client)
        lessons = await api.lessons.of_user(user_id, course_id)
        async for row in api.enrollments.of_course(course_id, modified_since=yesterday):
            ...

The copy of the vendor's page that we have lost the paths: they were recovered, and docs/facts/absorb.md section 1 says
how sure each is. A method whose own comment says "could be" has a path that was seen and a method that was not, or the
other way round: should a portal answer WrongPathError, its URL there is all there is to change.

Ids may be UUIDs or text; anything that is no GUID raises ValueError before a call is made. Every method raises what
`connector/absorb/faults.py` finds in a refusal: NotFoundError for what is not there or not visible, BadRequestError for
a refused request, ProtocolError for a success that is not what the vendor documents. A write is never repeated unless
the portal cannot have received it.
"""

from connector.absorb.api.courses import Enrollments, Mine
from connector.absorb.api.parts import Attempts, Chapters, Lessons, Sessions
from connector.absorb.client import AbsorbClient
from connector.absorb.walk.pages import MAX_LIMIT


class AbsorbApi:
    """One portal's enrollments. `client` stays the caller's to close."""

    def __init__(self, client: AbsorbClient, *, page_size: int = MAX_LIMIT) -> None:
        self.sessions = Sessions(client, page_size)
        self.chapters = Chapters(client, page_size)
        self.enrollments = Enrollments(client, page_size)
        self.lessons = Lessons(client, page_size)
        self.attempts = Attempts(client, page_size)
        self.mine = Mine(client, page_size)
