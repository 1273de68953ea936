"""The source: Absorb LMS Integration API v2."""
