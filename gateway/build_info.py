"""Which build runs: the wheel whose hot modules are compiled (docs/adr/0014), or plain Python."""

import importlib.machinery
import importlib.util
from typing import Final

_COMPILED_WHEREVER_ANY_IS: Final = "gateway.exchange"  # the first of the list in pyproject.toml


def build_kind() -> str:
    """`compiled` or `pure`, told by the file that one of the hot modules is loaded from."""
    spec = importlib.util.find_spec(_COMPILED_WHEREVER_ANY_IS)
    assert spec is not None
    assert spec.origin is not None
    return "compiled" if spec.origin.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)) else "pure"
