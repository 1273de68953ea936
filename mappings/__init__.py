"""The maps, as tables a person can review, and the one loader that checks and compiles them."""

from mappings.crosswalk import ItemRule
from mappings.errors import MappingError
from mappings.fields import ErrorRule, FieldMap
from mappings.files import PACKAGED, fingerprints
from mappings.learner_crosswalk import ManualMatch
from mappings.learnings import LearningField
from mappings.loader import Mapping, load_mapping
from mappings.matching import LearnerRule
from mappings.metadata import shipped_fields
from mappings.statuses import PROGRESS_STATUSES, StatusRule

__all__ = [
    "PACKAGED",
    "PROGRESS_STATUSES",
    "ErrorRule",
    "FieldMap",
    "ItemRule",
    "LearnerRule",
    "LearningField",
    "ManualMatch",
    "Mapping",
    "MappingError",
    "StatusRule",
    "fingerprints",
    "load_mapping",
    "shipped_fields",
]
