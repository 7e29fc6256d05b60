"""twilio-gateway: a credential gateway between a company's services and the Twilio REST API."""

__version__ = "0.1.0"
