"""Which page of a list to ask for next: pure decisions, no I/O."""
