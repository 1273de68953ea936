"""Objects and fields, and their describe results."""
