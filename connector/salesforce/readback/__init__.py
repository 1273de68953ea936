"""Salesforce → warehouse: people, learning items, and what became of our own records."""
