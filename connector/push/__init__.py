"""One way out for every target: difference, sending, outcomes, ledger and report (connector/push/engine.py)."""
