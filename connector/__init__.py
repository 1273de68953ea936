"""learnsync's engine: Absorb client, warehouse, canonical tables, Salesforce push, sandbox, CLI. No Dagster."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("learnsync")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
