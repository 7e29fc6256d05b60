"""What the gateway fetches for itself is tried again by aiohttp-retry: over real sockets, within bounds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError, ClientSession

from gateway.background.own_fetches import retrying
from gateway.config.schema.secret_values import SecretError
from gateway.identity import jwks_fetch
from gateway.identity.jwks_fetch import FetchError, KeyAddress, fetch_jwks
from gateway.secret_stores.http_store import open_http
from tests.support.jwt import jwks, rsa_key
from tests.support.moved_clock import MovedClock
from tests.support.upstream import RawUpstream, Step, hang, raw, raw_upstream, reply

KEYS = reply(jwks(rsa_key()), fields=("Content-Type: application/json",))
AWAY = reply(b"away", status="503 Service Unavailable")


@contextlib.asynccontextmanager
async def server(*steps: Step) -> AsyncIterator[tuple[RawUpstream, KeyAddress]]:
    async with raw_upstream(*steps) as upstream:
        yield upstream, KeyAddress(upstream.url + "/jwks", None, None)


@pytest.mark.parametrize(
    "first", [AWAY, raw(ends="close"), raw(ends="reset")], ids=["503", "closed", "reset"]
)
async def test_a_jwks_endpoint_that_fails_once(first: Step) -> None:
    async with server(first, KEYS) as (upstream, address):
        assert (await fetch_jwks(address)).knows("rsa-1")
        assert len(upstream.received) == 2


async def test_three_tries_are_the_bound() -> None:
    """And the last answer says what is wrong."""
    async with server(AWAY, AWAY, AWAY, KEYS) as (upstream, address):
        with pytest.raises(FetchError, match="answered 503"):
            await fetch_jwks(address)
        assert len(upstream.received) == 3


@pytest.mark.parametrize("status", ["404 Not Found", "401 No", "429 Slow", "302 Found"])
async def test_an_answer_that_will_not_change_is_taken(status: str) -> None:
    async with server(reply(b"", status=status), KEYS) as (upstream, address):
        with pytest.raises(FetchError, match=f"answered {status[:3]}"):
            await fetch_jwks(address)
        assert len(upstream.received) == 1


async def test_all_tries_share_one_bound_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is asked once; one that fails, then hangs, gets what is left."""
    monkeypatch.setattr(jwks_fetch, "_FETCH_SECONDS", 600.0)
    clock = MovedClock(asyncio.get_running_loop())
    for steps, asked in (((hang(),), 1), ((AWAY, hang()), 2)):
        async with server(*steps, KEYS) as (upstream, address):
            fetching = asyncio.create_task(fetch_jwks(address))
            await upstream.arrived(asked)
            clock.advance(600)
            with pytest.raises(FetchError, match="no answer within 600 s"):
                await fetching
            assert len(upstream.received) == asked


async def test_a_store_that_fails_once_is_read_again() -> None:
    async with server(AWAY, reply(b'{"a": "b"}')) as (upstream, address), open_http("vault") as http:
        assert (await http.ask("GET", address.url)).value("a") == "b"
        assert len(upstream.received) == 2


async def test_a_login_is_sent_once() -> None:
    """Only reads are repeated."""
    async with server(AWAY, raw(ends="close")) as (upstream, address), open_http("vault") as http:
        assert (await http.ask("POST", address.url, body=b"{}")).status == 503
        with pytest.raises(SecretError):
            await http.ask("POST", address.url, body=b"{}")
        assert len(upstream.received) == 2


async def test_a_read_that_is_cancelled_ends() -> None:
    """Also between two tries."""
    async with server(AWAY, AWAY, AWAY) as (upstream, address), open_http("vault") as http:
        reading = asyncio.create_task(http.ask("GET", address.url))
        await upstream.arrived()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_nothing_is_said_of_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    """aiohttp-retry would write exceptions at debug level, and these can hold header fields."""
    caplog.set_level(0)
    async with (
        server(*[raw(ends="close")] * 6) as (_, address),
        ClientSession(headers={"Authorization": "Bearer s3cret"}) as session,
    ):
        with pytest.raises(ClientError):
            await retrying(session).get(address.url)
    assert "Retrying" not in caplog.text
    assert "s3cret" not in caplog.text
