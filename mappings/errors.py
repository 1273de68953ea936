"""What every map can be refused with."""


class MappingError(ValueError):
    """A map is malformed or leaves a case undecided; the text names file and row."""
