"""The schema source: a pydantic model per stream, and the registry of them."""

from connector.streams.details import Attempt, ChapterEnrollment, LessonEnrollment, SessionEnrollment
from connector.streams.rows import AbsorbRow, Course, Department, Enrollment, User

# Lists of the portal, in the order they are pulled: courses must be known before their enrollments.
STREAMS: dict[str, type[AbsorbRow]] = {model.stream: model for model in (Department, User, Course, Enrollment)}
# What lies inside course enrollments, read learner by learner and course by course.
_DETAILS: tuple[type[AbsorbRow], ...] = (SessionEnrollment, ChapterEnrollment, LessonEnrollment, Attempt)
DETAIL_STREAMS = {model.stream: model for model in _DETAILS}
MODELS = STREAMS | DETAIL_STREAMS
