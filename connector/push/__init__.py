"""What every target shares: the difference against a ledger, outcomes, reports."""
