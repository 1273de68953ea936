"""Packages that libraries of ours look for again and again, and that are not installed."""

import sys
from importlib.util import find_spec


def skip_if_absent(name: str) -> None:
    """Let `import name` fail at once where the package is not installed: a failed search of all folders is not kept.

    httpcore looks for sniffio four times a call, which takes a third of the call; DuckDB for pandas at each parameter.
    """
    if name not in sys.modules and find_spec(name) is None:
        sys.modules[name] = None  # type: ignore[assignment]
