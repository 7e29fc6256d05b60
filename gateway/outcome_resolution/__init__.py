"""Asking Twilio whether a create with an open outcome was done: looks at its lists, and what follows."""
