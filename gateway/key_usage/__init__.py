"""The life of consumers' keys: first and last use, from where, and who had a key that was removed."""
