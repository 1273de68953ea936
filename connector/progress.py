"""How long work reports that it is alive; the CLI draws it, everything else may ignore it."""

from typing import Protocol


class Progress(Protocol):
    """Stages with an optional total; `advance` counts steps within the current stage."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps (None: unknown)."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report steps done and an optional short note."""


class Silent:
    """Reports nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Ignore."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Ignore."""
