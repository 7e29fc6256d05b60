"""Keys of issuers: what a fetch takes, when there is one, and what is kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.identity import jwks_fetch as fetch
from gateway.identity.jwks import parse_jwks
from gateway.identity.jwks_cache import JwksCache, KeySource, Lookup
from gateway.identity.jwks_fetch import FetchError, KeyAddress, fetch_jwks
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
        assert (await fetch_jwks(plain(server.url))).knows("rsa-1")


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
            await fetch_jwks(plain(url))


async def test_an_issuer_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_FETCH_SECONDS", 0.1)
    async with key_server(rsa_key()) as server:
        server.gate.clear()
        with pytest.raises(FetchError, match=r"no answer within 0\.1 s"):
            await fetch_jwks(plain(server.url))
        server.gate.set()


@pytest.mark.parametrize("missing", ["token", "ca", "port"])
async def test_what_is_not_there(tmp_path: Path, missing: str) -> None:
    absent = tmp_path / "absent"
    address = KeyAddress(
        "http://127.0.0.1:1/", absent if missing == "ca" else None, absent if missing == "token" else None
    )
    with pytest.raises(FetchError):
        await fetch_jwks(address)


async def test_a_token_with_a_line_break_is_not_sent(tmp_path: Path) -> None:
    """And not told either."""
    path = tmp_path / "token"
    path.write_text("first-half\r\nX-Second: half")
    async with key_server(rsa_key()) as server:
        with pytest.raises(FetchError) as error:
            await fetch_jwks(KeyAddress(server.url, None, path))
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


async def test_b13_unknown_key_ids_have_an_allowance_of_fetches(box: Box) -> None:
    box.box._spread = lambda low, high: 1.0
    async with key_server(rsa_key()) as server:
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        assert await keys.find("rsa-1") is Lookup.FOUND  # waits for the first fetch, and needs no other
        assert (len(server.asked), keys.fetched) == (1, 1000.0)
        for asked in range(2, 6):
            assert await keys.find("none") is Lookup.ABSENT
            assert len(server.asked) == asked
        for now in (1000.0, 1009.9):
            box.now = now
            assert await keys.find("none") is Lookup.UNDECIDED
            assert len(server.asked) == 5
            assert 1 <= keys.retry_after_seconds <= 10
        box.now = 1010.0
        assert await keys.find("none") is Lookup.ABSENT
        assert len(server.asked) == 6


async def test_b13_an_owed_fetch_follows_by_itself() -> None:
    """However many unknown key ids come first: the new key is found without another request."""
    loop = asyncio.get_running_loop()
    cache = JwksCache(lambda name, failure: None, lambda: loop.time() * 1000, lambda low, high: 1.0)
    async with key_server(rsa_key()) as server:
        await cache.configure({"a": source(server)})
        keys = cache.issuers["a"]
        await keys.find("rsa-1")
        cache._clock = keys._clock = lambda: 0.0  # no allowance is earned
        keys._allowance_at = 0.0
        while await keys.find("none") is not Lookup.UNDECIDED:
            pass
        server.document = jwks(rsa_key(), rsa_key("rsa-2"))
        assert await keys.find("rsa-2") is Lookup.UNDECIDED
        asked = len(server.asked)
        keys._clock = lambda: 100.0
        keys._pay_owed()  # what the timer calls
        await server.was_asked(asked + 1)
        assert await keys.find("rsa-2") is Lookup.FOUND
        assert len(server.asked) == asked + 1
    await cache.close()


async def test_b13_a_fetch_that_began_before_a_search_does_not_answer_it(box: Box) -> None:
    """The issuer adds a key while an earlier fetch is under way."""
    box.box._spread = lambda low, high: 1.0
    async with key_server(rsa_key()) as server:
        server.gate.clear()
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        await server.was_asked(1)
        search = asyncio.create_task(keys.find("rsa-2"))
        await asyncio.sleep(0)
        server.document = jwks(rsa_key(), rsa_key("rsa-2"))
        server.gate.set()
        assert await search is Lookup.FOUND


async def test_c12_a_search_ends_undecided_when_its_issuer_is_replaced(box: Box) -> None:
    async with key_server(rsa_key()) as server, key_server(rsa_key()) as other:
        server.gate.clear()
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        searches = [asyncio.create_task(keys.find("rsa-1")) for _ in range(3)]
        await server.was_asked(1)
        await box.box.configure({"a": source(other)})
        assert await asyncio.gather(*searches) == [Lookup.UNDECIDED] * 3
        assert await box.box.issuers["a"].find("rsa-1") is Lookup.FOUND
        asked = len(server.asked)
        assert await keys.find("rsa-1") is Lookup.UNDECIDED  # by a request that began before the reload
        assert len(server.asked) == asked
        server.gate.set()


async def test_they_are_fetched_again_and_again_and_the_same_are_the_same(box: Box) -> None:
    async with key_server(rsa_key()) as server:
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        await server.was_asked(3)
        first = keys.jwks
        assert first is not None
        server.document = jwks(rsa_key("rsa-2"))
        await server.was_asked(len(server.asked) + 2)  # one after the other: the first of them is done
        assert keys.jwks is not None
        assert keys.jwks.knows("rsa-2")
        assert box.told == []


async def test_the_last_good_keys_are_kept(box: Box) -> None:
    async with key_server(rsa_key()) as server:
        await box.box.configure({"a": source(server)})
        keys = box.box.issuers["a"]
        await keys.find("none")
        good = keys.jwks
        server.status = 500
        await server.was_asked(len(server.asked) + 10)  # three tries a fetch
        assert (keys.jwks is good, keys.failures >= 2) == (True, True)
        box.changed.clear()
        server.status = 200
        async with asyncio.timeout(60):
            await box.changed.wait()
        assert keys.jwks is good
        assert box.told == [("a", "answered 500"), ("a", "")]


async def test_a_reload_keeps_what_it_does_not_change(box: Box) -> None:
    fixed = parse_jwks(jwks(rsa_key()))
    async with key_server(rsa_key()) as server, key_server(rsa_key("rsa-2")) as other:
        await box.box.configure(
            {"a": source(server), "b": source(other), "file": KeySource(None, 1.0, fixed)}
        )
        kept, moved = box.box.issuers["a"], box.box.issuers["b"]
        assert await kept.find("rsa-1") is Lookup.FOUND
        assert await moved.find("rsa-2") is Lookup.FOUND
        assert await box.box.issuers["file"].find("none") is Lookup.ABSENT
        assert box.box.issuers["file"].jwks is fixed
        await box.box.configure({"a": source(server), "b": source(server)})
        assert box.box.issuers["a"] is kept
        assert box.box.issuers["b"] is not moved
        assert set(box.box.issuers) == {"a", "b"}
        asked = len(other.asked)
        assert await box.box.issuers["b"].find("rsa-1") is Lookup.FOUND
        assert len(other.asked) == asked
