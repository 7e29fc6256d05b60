"""Who callers are, where that takes more than a look-up: JWTs, and the keys they are verified with."""
