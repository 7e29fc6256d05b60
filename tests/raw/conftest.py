"""A scripted upstream that must see nothing it should not, and a gateway in front of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.moved_clock import MovedClock
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, raw_upstream

collect_ignore = (
    [] if (Path(__file__).parents[2] / ".." / "shared" / "corpus").is_dir() else ["test_corpus.py"]
)
"""The corpora are extra: the project's own cases are in `cases/`."""


@pytest.fixture
async def clock() -> MovedClock:
    """The loop's clock, to be moved. Ask for it before the fixtures whose deadlines are to pass."""
    return MovedClock(asyncio.get_running_loop())


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """Answers `{}`."""
    async with raw_upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """With a small limit for header fields."""
    callers = {"header_bytes": 8192, "headers_max": 32, "idle_seconds": 30, "body_seconds": 30}
    async with running_gateway(upstream.url, callers=callers) as gateway:
        yield gateway
