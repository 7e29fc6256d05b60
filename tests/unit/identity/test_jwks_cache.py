"""Keys of issuers: what a fetch takes, when there is one, and what is kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.identity import jwks_fetch as fetch
from gateway.identity.jwks import parse_key_ring
from gateway.identity.jwks_cache import JwksCache, KeySource
from gateway.identity.jwks_fetch import FetchError, KeyAddress, fetch_key_ring
from tests.support.jwt import KeyServer, jwks, key_server, rsa_key


@asynccontextmanager
async def serving(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An issuer that answers so."""
    server = web.Server(answer)
    runner = web.ServerRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def plain(url: str) -> KeyAddress:
    """An address without files."""
    return KeyAddress(url, None, None)


async def test_a_fetch() -> None:
    async with key_server(rsa_key()) as server:
        assert (await fetch_key_ring(plain(server.url))).knows("rsa-1")


@pytest.mark.parametrize(
    ("status", "body", "fields", "why"),
    [
        (404, jwks(rsa_key()), {}, "answered 404"),
        (302, jwks(rsa_key()), {"Location": "/other"}, "answered 302"),
        (200, b"<html>", {}, "not JSON"),
        (200, b"{}", {}, "not a JWKS"),
        (200, b" " * ((1 << 20) + 1), {}, "longer than 1048576 bytes"),
    ],
)
async def test_answers_that_hold_no_keys(status: int, body: bytes, fields: dict[str, str], why: str) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        assert request.path == "/"  # a redirection is not followed: the bearer token would go elsewhere
        return web.Response(status=status, body=body, headers=fields)

    async with serving(answer) as url:
        with pytest.raises(FetchError, match=why):
            await fetch_key_ring(plain(url))


async def test_an_issuer_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_FETCH_SECONDS", 0.1)
    async with key_server(rsa_key()) as server:
        server.gate.clear()
        with pytest.raises(FetchError, match=r"no answer within 0\.1 s"):
            await fetch_key_ring(plain(server.url))
        server.gate.set()


@pytest.mark.parametrize("missing", ["token", "ca", "port"])
async def test_what_is_not_there(tmp_path: Path, missing: str) -> None:
    absent = tmp_path / "absent"
    address = KeyAddress(
        "http://127.0.0.1:1/", absent if missing == "ca" else None, absent if missing == "token" else None
    )
    with pytest.raises(FetchError):
        await fetch_key_ring(address)


async def test_a_token_with_a_line_break_is_not_sent(tmp_path: Path) -> None:
    """And not told either."""
    path = tmp_path / "token"
    path.write_text("first-half\r\nX-Second: half")
    async with key_server(rsa_key()) as server:
        with pytest.raises(FetchError) as error:
            await fetch_key_ring(KeyAddress(server.url, None, path))
        assert "half" not in str(error.value)
        assert server.asked == []


class Box:
    """A `JwksCache` on a clock that is turned by hand, and what it told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self.box = JwksCache(self._tell, lambda: self.now, lambda low, high: 0.0)

    def _tell(self, name: str, failure: str) -> None:
        self.told.append((name, failure))
        self.changed.set()


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    """It waits 0 s between fetches: turns of the loop are enough."""
    box = Box()
    yield box
    await box.box.close()


def source(server: KeyServer, refresh_seconds: float = 300.0) -> KeySource:
    """Fetched from `server`."""
    return KeySource(plain(server.url), refresh_seconds)


async def test_unknown_keys_are_asked_for_once_in_30_seconds(box: Box) -> None:
    box.box._spread = lambda low, high: 1.0
    async with key_server(rsa_key()) as server:
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        await keys.ask_anew()  # joins the first fetch, which nobody asked for
        assert (len(server.asked), keys.fetched) == (1, 1000.0)
        for now, asked in [(1000.0, 2), (1000.0, 2), (1029.9, 2), (1030.0, 3), (1030.0, 3)]:
            box.now = now
            await keys.ask_anew()
            assert len(server.asked) == asked, now


async def test_they_are_fetched_again_and_again_and_the_same_are_the_same(box: Box) -> None:
    async with key_server(rsa_key()) as server:
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        await server.was_asked(3)
        first = keys.ring
        assert first is not None
        server.document = jwks(rsa_key("rsa-2"))
        await server.was_asked(len(server.asked) + 2)  # one after the other: the first of them is done
        assert keys.ring is not None
        assert keys.ring.knows("rsa-2")
        assert box.told == []


async def test_the_last_good_keys_are_kept(box: Box) -> None:
    async with key_server(rsa_key()) as server:
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        await keys.ask_anew()
        good = keys.ring
        server.status = 500
        await server.was_asked(len(server.asked) + 4)
        assert (keys.ring is good, keys.failures >= 2) == (True, True)
        box.changed.clear()
        server.status = 200
        async with asyncio.timeout(20):
            await box.changed.wait()
        assert keys.ring is good
        assert box.told == [("a", "answered 500"), ("a", "")]


async def test_a_reload_keeps_what_it_does_not_change(box: Box) -> None:
    ring = parse_key_ring(jwks(rsa_key()))
    async with key_server(rsa_key()) as server, key_server(rsa_key("rsa-2")) as other:
        await box.box.configure({"a": source(server), "b": source(other), "file": KeySource(None, 1.0, ring)})
        kept, moved = box.box.issuers["a"], box.box.issuers["b"]
        await kept.ask_anew()
        await moved.ask_anew()
        await box.box.issuers["file"].ask_anew()
        assert box.box.issuers["file"].ring is ring
        await box.box.configure({"a": source(server), "b": source(server)})
        assert box.box.issuers["a"] is kept
        assert box.box.issuers["b"] is not moved
        assert set(box.box.issuers) == {"a", "b"}
        asked = len(other.asked)
        await box.box.issuers["b"].ask_anew()
        assert len(other.asked) == asked
