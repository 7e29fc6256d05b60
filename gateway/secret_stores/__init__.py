"""Secrets that are kept elsewhere: Vault, AWS Secrets Manager, Google Secret Manager (design 6)."""
