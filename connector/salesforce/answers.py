"""What the org's answers must look like, and the one reader of them: anything else is a ProtocolError.

The shapes are those of docs/facts/salesforce.md sections 3 and 5, less what learnsync does not use. Lists end at their
first member that does not fit: an answer of millions of them costs no more than one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Required, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from connector.errors import LimitError
from connector.http.answers import Answer, Reader
from connector.push.outcomes import RowResult

T = TypeVar("T")
Several = Annotated[list[T], FailFast()]
READER = Reader(
    "answered {status} with something that the API does not document: {why}",
    "Check LEARNSYNC_SALESFORCE__LOGIN_URL and any proxy between, then run again; what was not done stays due.",
)
# Nothing but a page of the API may be asked for with the session's token: a path, without steps up.
_LOCATOR = re.compile(r"/services/data/(?!.*\.\.)[A-Za-z0-9._/-]{1,500}(\?[A-Za-z0-9._=&-]{0,500})?")
PAGES_SETTING = "LEARNSYNC_LIMITS__LIST_PAGES"
Record = dict[str, Any]
# What is wrong with a record of a query; empty for nothing.
Check = Callable[[Record], str]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class QueryPage(_Shape):
    """An answer to query and queryAll. A page holds 2,000 records at most."""

    records: Annotated[list[Record], Field(max_length=20_000), FailFast()]
    totalSize: int = Field(ge=0)  # noqa: N815 - the API's names
    done: bool
    nextRecordsUrl: str | None = None  # noqa: N815


class Counted(_Shape):
    """An answer to SELECT COUNT()."""

    totalSize: int = Field(ge=0)  # noqa: N815


class PicklistValue(TypedDict, total=False):
    """One value of a picklist."""

    value: Required[str]
    active: bool | None


class DescribedField(TypedDict, total=False):
    """A field of a describe, as far as preflight looks at it."""

    name: Required[str]
    type: Required[str]
    relationshipName: str | None
    referenceTo: list[str] | None
    picklistValues: list[PicklistValue] | None
    length: int | None
    precision: int | None
    scale: int | None
    createable: bool | None
    updateable: bool | None
    nillable: bool | None
    defaultedOnCreate: bool | None
    externalId: bool | None
    idLookup: bool | None
    unique: bool | None
    filterable: bool | None
    caseSensitive: bool | None
    restrictedPicklist: bool | None


class Described(TypedDict, total=False):
    """A describe of an object."""

    fields: Required[Several[DescribedField]]
    createable: bool | None
    updateable: bool | None


class RecordError(_Shape):
    """Why a record was refused."""

    statusCode: str | None = None  # noqa: N815
    message: str | None = None


class Saved(_Shape):
    """What became of one record of a collection."""

    success: bool
    created: bool | None = None
    id: str | None = None
    errors: list[RecordError] | None = None

    def result(self) -> RowResult:
        """The same in the engine's words."""
        first = (self.errors or [RecordError()])[0] if not self.success else RecordError()
        return RowResult(self.success, bool(self.created), self.id, first.statusCode, first.message)


class Updated(_Shape):
    """An answer to getUpdated."""

    ids: Several[str]
    latestDateCovered: str | None = None  # noqa: N815


class Deletion(_Shape):
    """A record of the log of deletions."""

    id: str
    deletedDate: str | None = None  # noqa: N815


class Deleted(_Shape):
    """An answer to getDeleted."""

    deletedRecords: Several[Deletion]  # noqa: N815
    earliestDateAvailable: str | None = None  # noqa: N815
    latestDateCovered: str | None = None  # noqa: N815


class JobInfo(_Shape):
    """A bulk job. Its id becomes part of paths and of file names, so nothing else is taken for one."""

    id: str = Field(pattern=r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$")
    state: str = Field(max_length=100)
    apiVersion: float | None = Field(None, ge=10, lt=1000)  # noqa: N815
    numberRecordsProcessed: int | None = Field(None, ge=0)  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    stateMessage: str | None = None  # noqa: N815

    @property
    def version(self) -> str:
        """The version it was made with, as paths have it; empty where the org does not say."""
        return f"{self.apiVersion:.1f}" if self.apiVersion else ""

    @property
    def message(self) -> str:
        """Why it ended as it did, where the org says so."""
        return self.errorMessage or self.stateMessage or ""

    @property
    def ended(self) -> bool:
        """True when nothing will change any more."""
        return self.state in {"JobComplete", "Failed", "Aborted"}

    @property
    def known(self) -> bool:
        """True for a state that the API documents (docs/facts/salesforce.md section 3a)."""
        return self.ended or self.state in {"Open", "UploadComplete", "InProgress"}


class Version(_Shape):
    """A version of the API that the org serves."""

    version: str


QUERY_PAGE, COUNTED = TypeAdapter(QueryPage), TypeAdapter(Counted)
DESCRIBED = TypeAdapter(Described)
SAVED, VERSIONS = TypeAdapter(Several[Saved]), TypeAdapter(Several[Version])
UPDATED, DELETED, JOB = TypeAdapter(Updated), TypeAdapter(Deleted), TypeAdapter(JobInfo)


@dataclass(slots=True)
class Pages:
    """The pages of one query so far: what comes next, and whether they are all that the org announced."""

    most: int
    _records: int = 0
    _announced: int | None = None
    _asked: set[str] = field(default_factory=set)

    def checked(self, answer: Answer, page: QueryPage, check: Check | None) -> str | None:
        """The same as `after`; raises ProtocolError for a record that does not stand the check, too."""
        following = self.after(answer, page)
        for why in filter(None, map(check, page.records) if check else ()):
            raise READER.error(answer, why)
        return following

    def after(self, answer: Answer, page: QueryPage) -> str | None:
        """The path of the page after this one, None at the end.

        Raises ProtocolError where records are missing at the end or nextRecordsUrl leads elsewhere, and LimitError
        where the pages go round in a circle or never end.
        """
        self._records += len(page.records)
        self._announced = page.totalSize if self._announced is None else self._announced
        if page.done:
            if self._records < self._announced:
                raise READER.error(answer, f"it ends after {self._records:,} of {self._announced:,} records")
            return None
        if self._records > self._announced:
            raise READER.error(answer, f"it goes on after all {self._announced:,} records that it announced")
        following = page.nextRecordsUrl or ""
        if not _LOCATOR.fullmatch(following):
            raise READER.error(answer, "nextRecordsUrl is no path below /services/data/, so it is not followed")
        self._count(answer, following)
        return following

    def _count(self, answer: Answer, following: str) -> None:
        if following in self._asked:
            raise self._endless(answer, "nextRecordsUrl leads back to a page that was read already")
        self._asked.add(following)
        if len(self._asked) >= self.most:
            raise self._endless(answer, f"the query has more than {self.most:,} pages ({PAGES_SETTING})")

    def _endless(self, answer: Answer, why: str) -> LimitError:
        return LimitError(
            f"{answer.method} {answer.path}: {why}.",
            remedy=f"Nothing of this query was kept: run again. Raise {PAGES_SETTING} where so many are in order.",
        )


def saved(answer: Answer, records: int) -> list[RowResult]:
    """The results of a collection of so many records, in order. Raises ProtocolError."""
    found = READER.fit(answer, SAVED)
    if len(found) != records:
        raise READER.error(answer, f"{records} records were written and {len(found)} results came")
    if any(one.success and not one.id for one in found):
        raise READER.error(answer, "a record that was saved has no id")
    return [one.result() for one in found]


def has(*names: str) -> Check:
    """Whether a record has a text in each of these fields."""

    def check(record: Record) -> str:
        return next((f"a record without {name}" for name in names if not isinstance(record.get(name), str)), "")

    return check
