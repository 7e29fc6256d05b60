"""At most once for clients without an Idempotency-Key: a create that comes again is not sent again while its
outcome is open.
"""
