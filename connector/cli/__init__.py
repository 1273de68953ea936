"""The command line: `learnsync …` (contract section 4)."""

from connector.cli.app import main

__all__ = ["main"]
