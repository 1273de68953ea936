"""The Learnings Graph of Education Cloud."""
