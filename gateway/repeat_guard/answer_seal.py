"""Answers as they are kept in the store: readable only for a request that is identical to the first.

An answer to a create holds what was created, the text of a message included, and nothing of that may be read
in the store. The key is derived from the intent (`RepeatIntent.secret`), which the store does not have: only
who repeats the request has it again. Encrypt-then-MAC, of what the standard library has: the key stream is
SHAKE-256 of key and nonce, the tag keyed BLAKE2b over nonce and ciphertext. Pure but for the nonce.
"""

import hashlib
import hmac
import secrets

_NONCE = 16
_TAG = 16
_PERSON = b"repeat answer"


def seal(secret: bytes, data: bytes) -> bytes:
    """Nonce, tag and ciphertext. `secret` has 32 bytes."""
    nonce = secrets.token_bytes(_NONCE)
    hidden = _xor(secret, nonce, data)
    return nonce + _tag(secret, nonce + hidden) + hidden


def unseal(secret: bytes, sealed: bytes) -> bytes:
    """What was sealed. Raises `ValueError` if it was sealed for another request, or was changed."""
    nonce, tag, hidden = sealed[:_NONCE], sealed[_NONCE : _NONCE + _TAG], sealed[_NONCE + _TAG :]
    if not hmac.compare_digest(_tag(secret, nonce + hidden), tag):
        raise ValueError("sealed for another request")
    return _xor(secret, nonce, hidden)


def _tag(secret: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, key=secret, digest_size=_TAG, person=_PERSON).digest()


def _xor(secret: bytes, nonce: bytes, data: bytes) -> bytes:
    size = len(data)
    stream = hashlib.shake_256(secret + nonce).digest(size)
    return (int.from_bytes(data) ^ int.from_bytes(stream)).to_bytes(size)
