"""How Twilio signs what it calls: the URL, with the parameters of a form or the hash of another body.

Secrets share the traffic by percentage, as two Settings of Twilio's may during a rotation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

_ALGORITHMS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
WRONG_SIGNATURE: Final = base64.b64encode(bytes(20)).decode()


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """An Auth Token, or with `shared_key` (its id) a SharedKey. `percent` is its share of the traffic."""

    secret: str = field(repr=False)
    percent: float = 100
    shared_key: str = ""
    algorithm: str = "HMAC_SHA1"

    def sign(self, url: str, form: Mapping[str, str] | None = None) -> dict[str, str]:
        """The header fields of a request to `url`."""
        text = url + "".join(name + form[name] for name in sorted(form or ()) if form)
        digest = hmac.digest(self.secret.encode(), text.encode(), _ALGORITHMS[self.algorithm])
        fields = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
        if self.shared_key:
            settings = f"key={self.shared_key},algorithm={self.algorithm}"
            fields["X-Twilio-Webhooks-Signature-Settings"] = settings
        return fields


def pick_secret(secrets: Sequence[WebhookSecret], random: Random) -> WebhookSecret:
    """One of them by their shares."""
    return random.choices(secrets, [each.percent for each in secrets])[0]


def with_body_hash(url: str, body: bytes) -> str:
    """The URL with the `bodySHA256` that stands for a body that is no form."""
    return f"{url}{'&' if '?' in url else '?'}bodySHA256={hashlib.sha256(body).hexdigest()}"
