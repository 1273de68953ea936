"""The command line: `learnsync …` (contract section 4)."""

from connector.cli.main import main

__all__ = ["main"]
