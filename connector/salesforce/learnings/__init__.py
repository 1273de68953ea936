"""The course catalogue → the Learnings Graph."""
