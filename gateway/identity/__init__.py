"""Who calls: consumer keys, client certificates and JWTs, and the keys that verify JWTs."""
