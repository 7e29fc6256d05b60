"""The data port: connections of callers, requests, bodies, answers, TLS; one protocol of our own (ADR 10)."""
