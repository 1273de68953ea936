"""Assignments of Salesforce → enrollments in Absorb, on request only (docs/assignments.md).

`assign` reads the assignments (`query`), compares them with what the warehouse knows (`sql/plan.sql`) and enrolls those
that are due. It writes to Absorb only with `AssignOptions(apply=True)`.
"""

from connector.assignments.assign import assign, require_assignments
from connector.assignments.report import AssignOptions, AssignReport

__all__ = ["AssignOptions", "AssignReport", "assign", "require_assignments"]
