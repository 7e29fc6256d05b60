"""The life of consumers' keys: first and last use, from where, and whose a key was that is known no more."""
