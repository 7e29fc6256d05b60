"""The configuration's hash: equal for replicas of one file, whatever distinguishes one instance from another.

Of the file's bytes and the overrides, but not of addresses (each instance may have its own ports), of files
that an instance writes, or of the directory of a file that is referred to (systemd gives each instance one of
its own for credentials).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from gateway.config.loading.environment import read_overrides
from gateway.config.problems import KeyPath

_PER_INSTANCE: Final[frozenset[KeyPath]] = frozenset(
    {
        ("listen",),
        ("admin", "listen"),
        ("reuse_port",),
        ("webhooks", "listen"),
        ("audit", "file"),
        ("key_usage_file",),
        ("stop_file",),
    }
)
"""Where each instance listens, and what it writes."""
_DIGITS: Final = 12


def config_hash(content: bytes, environ: Mapping[str, str]) -> str:
    """12 hexadecimal digits. The overrides must have been found good."""
    digest = hashlib.sha256(content)
    for path, value in read_overrides(environ):
        shared = _shared(value, path)
        if path not in _PER_INSTANCE and shared != {}:
            digest.update(json.dumps([path, shared], sort_keys=True).encode() + b"\0")
    return digest.hexdigest()[:_DIGITS]


def _shared(value: object, path: KeyPath) -> object:
    """What replicas have in common of a value."""
    if isinstance(value, list):
        return [_shared(item, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, str) and path and str(path[-1]).endswith("_file"):
        return PurePath(value).name
    if not isinstance(value, dict):
        return value
    if value.keys() == {"file"} and isinstance(value["file"], str):
        return {"file": PurePath(value["file"]).name}
    return {
        name: _shared(inner, (*path, name))
        for name, inner in value.items()
        if (*path, name) not in _PER_INSTANCE
    }
