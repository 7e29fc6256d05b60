"""One round over stores that do what none of ours should."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.config.schema.secret_values import Secret, SecretError, SecretRef
from gateway.secret_stores.secret_fetch import ask_all
from gateway.secret_stores.store import Content, Read

CANARY = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa"


class Faulty:
    """Fails in a way that nobody foresaw, for names that begin with `bad`."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Read]:
        """See `SecretStore`."""

        async def read(name: str) -> Content:
            if name.startswith("bad"):
                raise LookupError(CANARY)
            return CANARY

        yield read


async def test_a_fault_is_that_secrets_alone() -> None:
    """What it says is not shown: it may quote the store."""
    good, bad = SecretRef(aws="good"), SecretRef(aws="bad")
    answers = await ask_all({"aws": Faulty()}, (good, bad), 5)
    assert isinstance(answers[good], Secret)
    error = answers[bad]
    assert isinstance(error, SecretError)
    assert str(error) == "aws:bad was not read: asking for it failed (LookupError); please report this"
    assert CANARY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
