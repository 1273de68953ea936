"""Definitions by stage, in the data's order: absorb → canonical → salesforce → published; then jobs and upkeep.

The modules do without `from __future__ import annotations`: Dagster reads configs and resources from live annotations.
"""
