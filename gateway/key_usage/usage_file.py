"""What is known of keys, on disk, for a gateway without Redis. Blocks."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from gateway.key_usage.known_key import VERSION, KnownKey, parse_known


class UsageFile:
    """Replaced as a whole; readable by its owner only. It has digests and addresses, no key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, KnownKey]:
        """By hex digest; nothing if there is no file yet. Raises `OSError`, and `ValueError` if damaged."""
        try:
            content = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        keys = content.get("keys") if isinstance(content, dict) else None
        if not isinstance(keys, dict):
            raise ValueError(f"{self.path} is no file of keys' use; move it away")
        found = ((digest, parse_known(each)) for digest, each in keys.items())
        return {digest: known for digest, known in found if known is not None}

    def dump(self, known: Mapping[str, KnownKey]) -> bytes:
        """What is to be written, made where the keys cannot change at the same time."""
        return orjson.dumps(
            {"version": VERSION, "keys": {digest: each.as_json() for digest, each in known.items()}}
        )

    def write(self, content: bytes) -> None:
        """Keep what `dump` made. Raises `OSError`."""
        new = self.path.with_name(f".{self.path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.replace(self.path)
