"""Webhooks: what Twilio calls is verified, and relayed to the service whose route it is."""
