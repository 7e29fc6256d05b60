"""Row D11: a request that waits while a reload removes its consumer, or only its key, is not sent."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter
from gateway.config.loading.resolve import load_resolved
from tests.support.attempts import POST, until
from tests.support.caller import MESSAGES, RawAnswer, ask, request
from tests.support.issuing import issuer
from tests.support.jwt import SUBJECT, KeyServer, claims, sign
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, digest, running_gateway
from tests.support.upstream import RawUpstream, answer, gated

ONE_AT_ONCE: dict[str, Any] = {"concurrency": {"initial": 1, "ceiling": 1, "queue": 2}}
OTHER = consumer("another-consumers-key-0123456789")


def limiter_of(running: Running) -> ConcurrencyLimiter:
    """The only one."""
    ((_, limiter),) = running.gateway.components.forwarder.limiters
    return limiter


async def reload(
    gateway: Running, upstream: RawUpstream, folder: Path, consumers: dict[str, Any], **settings: Any
) -> None:
    """Put other consumers into force."""
    path = folder / "gateway.yaml"
    path.write_text(
        yaml.safe_dump(configuration(upstream.url, consumers=consumers, **ONE_AT_ONCE, **settings))
    )
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
    async with running_gateway(upstream.url, **ONE_AT_ONCE) as gateway:
        answered = await wait_and_reload(
            gateway, upstream, POST, reload(gateway, upstream, tmp_path, consumers)
        )
        assert (answered.status, answered.slug) == (status, slug)
        assert len(upstream.received) == (2 if status == 200 else 1)
        assert limiter_of(gateway).in_flight == 0


async def wait_and_reload(
    gateway: Running, upstream: RawUpstream, data: bytes, reloading: Coroutine[Any, Any, None]
) -> RawAnswer:
    """The answer to a request that waits for its turn while a configuration is put into force."""
    opens = asyncio.Event()
    upstream.then(gated(b"", opens, answer(b"{}")))
    first = asyncio.create_task(ask(gateway.port, data))
    await upstream.arrived()
    waiting = asyncio.create_task(ask(gateway.port, data))
    await until(lambda: limiter_of(gateway).waiting == 1)
    await reloading
    opens.set()
    assert (await first).status == 200
    return await waiting


SHOP = {"issuer": "cluster", "claims": {"sub": SUBJECT}}
ELSE = {"issuer": "cluster", "claims": {"sub": "system:serviceaccount:shop:else"}}
TOKEN_CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    "its claims are another's": ({"app": ELSE, "other": SHOP}, {}, 401, "unknown_consumer"),
    "nobody has its claims": ({"app": ELSE}, {}, 401, "unknown_consumer"),
    "another audience": ({"app": SHOP}, {"audience": "elsewhere"}, 401, "invalid_token"),
    "still there": ({"app": SHOP, "other": ELSE}, {"leeway_seconds": 20}, 200, ""),
}


@pytest.mark.parametrize("change", TOKEN_CHANGES, ids=[f"D11-{each}" for each in TOKEN_CHANGES])
async def test_the_claims_of_a_waiting_token_are_read_again_when_its_turn_comes(
    upstream: RawUpstream, issuing: KeyServer, tmp_path: Path, change: str
) -> None:
    """Its signature was verified; whom it stands for may have changed."""
    claimed, settings, status, slug = TOKEN_CHANGES[change]
    consumers = {name: consumer(keys=[], jwt=[entry]) for name, entry in claimed.items()}
    before = {"app": consumer(keys=[], jwt=[SHOP])}
    data = request(f"GET {MESSAGES}", auth=f"Bearer {sign(claims())}")
    async with running_gateway(
        upstream.url, consumers=before, jwt=[issuer(issuing)], **ONE_AT_ONCE
    ) as gateway:
        jwt = [issuer(issuing, **settings)]
        reloading = reload(gateway, upstream, tmp_path, consumers, jwt=jwt)
        answered = await wait_and_reload(gateway, upstream, data, reloading)
        assert (answered.status, answered.slug) == (status, slug)
        assert len(upstream.received) == (2 if status == 200 else 1)
