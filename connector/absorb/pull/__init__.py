"""Absorb → warehouse: incremental pulls, details, and the sweep that finds deletions."""
