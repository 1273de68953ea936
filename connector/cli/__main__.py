"""`python -m connector.cli`, for processes that start one another."""

from connector.cli.app import main

main()
