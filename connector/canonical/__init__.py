"""Warehouse → canonical tables: learners and items matched, both tables built."""
