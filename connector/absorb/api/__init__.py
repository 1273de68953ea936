"""The enrollment section of the Absorb Integration API v2, operation by operation."""
