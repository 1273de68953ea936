"""learnsync's engine: Absorb client, warehouse, canonical tables, Salesforce push, sandbox, CLI. No Dagster."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """`__version__`, found out when it is asked for: `learnsync --help` need not wait for it."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - see above

        try:
            return version("learnsync")
        except PackageNotFoundError:  # a source tree that was never installed
            return "0+unknown"
