"""The maps, as tables a person can review, and the one loader that checks and compiles them."""

from mappings.crosswalk import ItemRule
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
    "ItemRule",
    "LearnerRule",
    "LearningField",
    "Mapping",
    "MappingError",
    "StatusRule",
    "load_mapping",
]
