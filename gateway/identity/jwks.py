"""The public keys of an issuer (JWKS, RFC 7517), and the verification of signatures with them.

The only file that knows joserfc, which comes with the `jwt` extra and is imported when the first keys are
read. Symmetric keys, keys for encryption and short keys are skipped.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import orjson

_MAX_KEYS = 100
_MAX_TRIED = 4
"""Keys that are tried for one token: each costs some 40 µs of the data loop."""
_PUBLIC = ("kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y")
_MIN_MODULUS_CHARACTERS = 342  # 2048 bits in base64url (NIST SP 800-131A)


class JwkSet:
    """An issuer's keys at one time. Immutable: new keys are a new set."""

    def __init__(self, keys: list[Any]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"JwkSet({len(self._keys)} keys)"

    def holds_same(self, other: "JwkSet | None") -> bool:
        """Whether the keys are the same, in the same order."""
        return other is not None and bool(self._keys == other._keys)

    def knows(self, key_id: str | None) -> bool:
        """Whether a key has this id. A token without an id (None) needs no particular key."""
        return key_id is None or any(key.kid == key_id for key in self._keys)

    def verify(self, token: bytes, algorithm: str, key_id: str | None) -> bytes | None:
        """The payload of a JWT if its signature is valid, else None.

        A token without a key id may be signed with any suitable key: while an issuer changes from one to the
        next, it has two.
        """
        from joserfc.errors import JoseError
        from joserfc.jws import deserialize_compact

        named = (key for key in self._keys if key_id is None or key.kid == key_id)
        suitable = [key for key in named if _is_suitable(key, algorithm)]
        for key in suitable[:_MAX_TRIED]:
            try:
                return deserialize_compact(token, key, registry=_registry(algorithm)).payload
            except (JoseError, ValueError):
                continue
        return None


def _registry(algorithm: str) -> Any:
    from joserfc.jws import JWSRegistry

    # Unknown header parameters (x5t …) are ignored; `crit` has been refused before.
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 4096
    return registry


def _is_suitable(key: Any, algorithm: str) -> bool:
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    try:
        JWSRegistry.algorithms[algorithm].check_key(key)  # type, curve, and the key's own `use` and `alg`
    except JoseError:
        return False
    return True


def is_installed() -> bool:
    """Whether the `jwt` extra is installed."""
    return find_spec("joserfc") is not None


def parse_jwks(document: bytes) -> JwkSet:
    """Read a JWKS document. Unusable keys are skipped (RFC 7517 5).

    Raises `ValueError`, whose text gives the reason, if no key is left.
    """
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError(f"it is not a JWKS of at most {_MAX_KEYS} keys")
    keys = [key for entry in entries if isinstance(entry, dict) and (key := _import(entry)) is not None]
    if not keys:
        raise ValueError("it has no RSA (2048 bits or more) or EC key for signatures")
    return JwkSet(keys)


def _import(entry: Mapping[str, Any]) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    kind, modulus = entry.get("kty"), entry.get("n")
    if kind not in ("RSA", "EC") or entry.get("use", "sig") != "sig":
        return None
    if kind == "RSA" and (not isinstance(modulus, str) or len(modulus) < _MIN_MODULUS_CHARACTERS):
        return None
    try:
        return import_key({name: entry[name] for name in _PUBLIC if name in entry})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
