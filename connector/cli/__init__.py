"""The command line: `learnsync …` (README.md)."""

from connector.cli.main import main

__all__ = ["main"]
