"""Lua scripts, and the part of a store that runs them for those who keep records."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.redis.answer_forms import Form, anything
from gateway.redis.availability import StoreState
from gateway.redis.command_bytes import Argument


class Script(NamedTuple):
    """A Lua script, its SHA-1, by which Redis knows it, and the form of what it returns."""

    text: str
    sha: str
    returns: Form

    @classmethod
    def of(cls, text: str, returns: Form = anything) -> "Script":
        """Make a script. All keys of one call need the same `{hash tag}`, so that a cluster can run it."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), returns)


class ScriptStore(Protocol):
    """`RedisStore`, as those see it who keep records."""

    @property
    def state(self) -> StoreState: ...

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Any: ...

    def post(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], on_end: Callable[[Any], None]
    ) -> None: ...

    def pack(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> bytes: ...

    async def run_packed(self, script: Script, packed: bytes) -> Any: ...

    def post_packed(self, script: Script, packed: bytes, on_end: Callable[[Any], None]) -> None: ...
