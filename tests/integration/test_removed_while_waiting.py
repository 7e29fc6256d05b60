"""Row D11: a request that waits while a reload removes its consumer, or only its key, is not sent."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter
from gateway.config.loading.resolve import load_resolved
from tests.support.attempts import POST, until
from tests.support.caller import ask
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, digest, running_gateway
from tests.support.upstream import RawUpstream, answer, gated

ONE_AT_ONCE: dict[str, Any] = {"concurrency": {"initial": 1, "ceiling": 1, "queue": 2}}
OTHER = consumer("another-consumers-key-0123456789")


def limiter_of(running: Running) -> ConcurrencyLimiter:
    """The only one."""
    ((_, limiter),) = running.gateway.components.forwarder.limiters
    return limiter


async def reload(gateway: Running, upstream: RawUpstream, folder: Path, consumers: dict[str, Any]) -> None:
    """Put other consumers into force."""
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration(upstream.url, consumers=consumers, **ONE_AT_ONCE)))
    await gateway.gateway.apply(make_configuration(load_resolved(path, ENVIRON)))


KEPT = consumer(keys=[digest(KEY), digest("its-next-key-0123456789")])
CHANGES: dict[str, tuple[dict[str, Any], int, str]] = {
    "removed": ({"other": OTHER}, 401, "unknown_consumer"),
    "another key": ({"app": consumer("its-next-key-0123456789")}, 401, "unknown_consumer"),
    "its key is another's": ({"app": OTHER, "other": consumer()}, 401, "unknown_consumer"),
    "still there": ({"app": KEPT, "other": OTHER}, 200, ""),
}


@pytest.mark.parametrize("change", CHANGES, ids=[f"D11-{each}" for each in CHANGES])
async def test_a_waiting_request_is_checked_again_when_its_turn_comes(
    upstream: RawUpstream, tmp_path: Path, change: str
) -> None:
    consumers, status, slug = CHANGES[change]
    opens = asyncio.Event()
    async with running_gateway(upstream.url, **ONE_AT_ONCE) as gateway:
        upstream.then(gated(b"", opens, answer(b"{}")))
        first = asyncio.create_task(ask(gateway.port, POST))
        await upstream.arrived()
        waiting = asyncio.create_task(ask(gateway.port, POST))
        await until(lambda: limiter_of(gateway).waiting == 1)
        await reload(gateway, upstream, tmp_path, consumers)
        opens.set()
        assert (await first).status == 200
        answered = await waiting
        assert (answered.status, answered.slug) == (status, slug)
        assert len(upstream.received) == (2 if status == 200 else 1)
        assert limiter_of(gateway).in_flight == 0
