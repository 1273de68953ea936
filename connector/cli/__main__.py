"""`python -m connector.cli`, for processes that start one another."""

from connector.cli.main import main

main()
