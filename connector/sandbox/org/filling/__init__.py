"""What the org holds when it starts: people whom the portal knows, and some native learning progress."""
