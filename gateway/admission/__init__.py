"""Who goes when: rate limits, the learned concurrency limit with its fair queue, and idempotency."""
