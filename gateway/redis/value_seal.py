"""Encrypts single values that replicas share by the store, so that who reads Redis reads no phone number.

AES-SIV (RFC 5297): it needs no nonce, so that sealing decides nothing by chance. Needs the extra
`twilio-gateway[cryptography]`.
"""

import base64
import binascii
import hmac

KEY_BYTES = 32


class ValueSeal:
    """Seals and opens with one key of 32 bytes. Raises `ImportError` without the extra."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has not {KEY_BYTES} bytes")
        self._cipher = AESSIV(key)
        self.digest_key = hmac.digest(key, b"twilio-gateway: digests of what is shared", "sha256")
        """For keyed digests: another key than the one that encrypts."""

    def seal(self, value: str, context: str) -> str:
        """`value`, encrypted and bound to `context`, as text."""
        sealed = self._cipher.encrypt(value.encode(), [context.encode()])
        return base64.urlsafe_b64encode(sealed).decode("ascii")

    def open(self, sealed: str, context: str) -> str | None:
        """The value, or None for one that was sealed by another key or in another context."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.urlsafe_b64decode(sealed)
            return self._cipher.decrypt(data, [context.encode()]).decode()
        except (binascii.Error, InvalidTag, ValueError):
            return None

    def __repr__(self) -> str:
        return "ValueSeal()"


def read_key(text: str) -> bytes:
    """The key that a secret's text holds: 32 bytes in base64. Raises `ValueError`."""
    try:
        key = base64.b64decode(text.strip().translate(_URL_SAFE), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError("not 32 bytes")
    return key


_URL_SAFE = str.maketrans("-_", "+/")
