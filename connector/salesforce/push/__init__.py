"""Warehouse → the org's custom objects, by collections or Bulk API 2.0."""
