"""The command line: `learnsync …` (README.md)."""

from connector.cli.app import main

__all__ = ["main"]
