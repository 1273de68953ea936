"""Assignments of Salesforce → enrollments in Absorb, on request only."""
