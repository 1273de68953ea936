"""HTTP: sessions, the retry decision, rate limits."""
