"""What the loaders of the maps raise."""


class MappingError(ValueError):
    """A map is malformed or leaves a case undecided; the text names file and row."""
