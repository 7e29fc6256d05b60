"""Twilio's errors as the simulator answers them: a status, a numeric code, a sentence.

`rendering.py` writes them as JSON or XML.
"""

from __future__ import annotations

from twilio_simulator.resource_values import Answer

_MESSAGES = {
    20003: "Authenticate",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    20503: "Service is unavailable",
    60203: "Max send attempts reached",
    60212: "Too many concurrent requests for phone number",
}


class TwilioError(Exception):
    """A refusal in Twilio's shape. `headers` are added to the answer."""

    def __init__(
        self, status: int, code: int, message: str | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.status = status
        self.code = code
        self.message = message or _MESSAGES.get(code) or f"Simulated error {code}"
        self.headers = headers
        super().__init__(f"{status} {code} {self.message}")

    def answer(self) -> Answer:
        """The answer that carries this error."""
        fields: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return Answer(self.status, fields, element="RestException", headers=self.headers)


def authenticate() -> TwilioError:
    """401: no credentials, wrong ones, or ones that may not see this account."""
    return TwilioError(401, 20003, headers=(("WWW-Authenticate", 'Basic realm="Twilio API"'),))


def not_found(path: str) -> TwilioError:
    """404 for a path or a SID that does not exist."""
    return TwilioError(404, 20404, f"The requested resource {path} was not found")


def method_not_allowed(path: str) -> TwilioError:
    """405 for a method that the resource does not have."""
    return TwilioError(405, 20004, f"Method not allowed on {path}")


def too_many_requests() -> TwilioError:
    """429 of the account's concurrency limit."""
    return TwilioError(429, 20429)
