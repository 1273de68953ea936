"""The maps, as tables a person can review, and the one loader that checks and compiles them."""

from mappings.errors import MappingError
from mappings.learnings import LearningField
from mappings.loader import (
    PROGRESS_STATUSES,
    ErrorRule,
    FieldMap,
    LearnerRule,
    Mapping,
    StatusRule,
    load_mapping,
)

__all__ = [
    "PROGRESS_STATUSES",
    "ErrorRule",
    "FieldMap",
    "LearnerRule",
    "LearningField",
    "Mapping",
    "MappingError",
    "StatusRule",
    "load_mapping",
]
