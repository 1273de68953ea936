"""Logging in to Absorb: a token by user and password, or by OAuth."""
