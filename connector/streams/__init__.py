"""The schema source: a pydantic model per stream, and the registry of them."""

from connector.streams.details import Attempt, ChapterEnrollment, LessonEnrollment, SessionEnrollment
from connector.streams.rows import AbsorbRow, Course, Department, Enrollment, User


def _by_name(*models: type[AbsorbRow]) -> dict[str, type[AbsorbRow]]:
    return {model.stream: model for model in models}


# Lists of the portal, in the order they are pulled: courses must be known before their enrollments.
STREAMS = _by_name(Department, User, Course, Enrollment)
# What lies inside course enrollments, read learner by learner and course by course.
DETAIL_STREAMS = _by_name(SessionEnrollment, ChapterEnrollment, LessonEnrollment, Attempt)
MODELS = STREAMS | DETAIL_STREAMS
