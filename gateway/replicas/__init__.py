"""What replicas tell each other through the store, so that one of them can show all (ADR 25)."""
