"""Definitions by stage, in the data's order: absorb → canonical → salesforce → published; then jobs and upkeep."""
