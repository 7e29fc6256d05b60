"""Secrets that are kept elsewhere: Vault, AWS Secrets Manager, Google Secret Manager (docs/design.md 6)."""
