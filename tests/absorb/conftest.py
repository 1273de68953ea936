"""What tests of pulls share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hostile import Stage, staged

from connector.sandbox.portal import Portal


@pytest.fixture(scope="module")
def serving() -> Iterator[Stage]:
    """A server whose portal each test replaces by its own (`Stage.show`)."""
    with staged(Portal()) as running:
        yield running
