"""Answers adapted while they are streamed: in any pieces, yielding, bounded, never passed on unchanged."""

import asyncio
import gzip
import json
import random
from collections.abc import Sequence

import pytest

from gateway.consumers.credentials import Account
from gateway.errors import UpstreamFailure
from gateway.http.request_head import Inbound, require_head
from gateway.http.response import Response
from gateway.policy.addressing import Address
from gateway.policy.authorization import Grant
from gateway.policy.methods import Call
from gateway.upstream import response_rewriting
from gateway.upstream.json_links import JsonSplicer, link_splicer, rewrite_links
from gateway.upstream.response_rewriting import PublicBase, adapt_answer, find_base
from tests.support.judging import HOSTS

BASE = PublicBase("http://gw:8080", HOSTS)
JSON = (b"Content-Type", b"application/json")
LINK = "https://verify.twilio.com/v2/Services"
PAGE = {"services": [{"url": f"{LINK}/{n}", "note": f'see {LINK} \\ "x"'} for n in range(400)]}


class Pieces:
    """`BodyRest` of given pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.left = list(pieces)
        self.closed = False

    @property
    def at_end(self) -> bool:
        return not self.left

    async def read(self) -> bytes:
        return self.left.pop(0) if self.left else b""

    def close(self) -> None:
        self.closed = True


def grant(
    prefix: str = "/verify", *, by_path: bool = True, conceals: bool = False, product: str = "verify"
) -> Grant:
    address = Address(product, "/v2", prefix, "", "", by_path=by_path)
    return Grant(None, None, Call("GET", address, "", True), Account("AC0", ()), "h", "/v2", "", conceals, "",  # type: ignore[arg-type]
                 frozenset())  # fmt: skip


def answer(
    body: bytes, *rest: bytes, fields: tuple[tuple[bytes, bytes], ...] = (JSON,), status: int = 200
) -> Response:
    return Response(status, "OK", fields, body, Pieces(rest) if rest else None)


async def read_all(response: Response) -> bytes:
    parts = [response.body]
    while response.rest is not None and not response.rest.at_end:
        parts.append(await response.rest.read())
    return b"".join(parts)


def cut(data: bytes, seed: int) -> list[bytes]:
    """Anywhere."""
    places = sorted(random.Random(seed).sample(range(1, len(data)), 40))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(10))
async def test_a10_links_are_rewritten_while_they_are_streamed(seed: int) -> None:
    """As they would be in one piece, wherever the pieces end; the length is no longer known."""
    data = json.dumps(PAGE).encode()
    first, *rest = cut(data, seed)
    fields = (JSON, (b"Content-Length", b"%d" % len(data)))
    got = await adapt_answer(answer(first, *rest, fields=fields), grant(), BASE)
    assert got.fields == (JSON,)
    assert await read_all(got) == rewrite_links(data, HOSTS, BASE.origin)


async def test_a10_an_answer_of_any_size_is_rewritten() -> None:
    """More than is ever held at once."""
    piece = json.dumps({"url": f"{LINK}/1", "x": "y" * 60_000}).encode()
    pieces = [b'{"services":[' + piece, *[b"," + piece] * 400, b"]}"]
    got = await adapt_answer(answer(*pieces), grant(), BASE)
    whole = await read_all(got)
    assert LINK.encode() not in whole
    assert len(json.loads(whole)["services"]) == 401


async def test_a10_what_cannot_be_rewritten_is_never_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown coding, or one that hides too much; a string without end."""
    monkeypatch.setattr(response_rewriting, "_MAX_WHOLE_BYTES", 10_000)
    data = json.dumps(PAGE).encode()
    for coding, body in (("br", data), ("gzip", gzip.compress(data)), ("gzip", data)):
        encoded = answer(body[:5], body[5:], fields=(JSON, (b"Content-Encoding", coding.encode())))
        with pytest.raises(UpstreamFailure, match="answer_too_large"):
            await adapt_answer(encoded, grant(), BASE)
    endless = answer(b'{"url": "', *[b"x" * 65_536] * 20)
    rest = endless.rest
    got = await adapt_answer(endless, grant(), BASE)
    with pytest.raises(UpstreamFailure, match="answer_too_large"):
        await read_all(got)
    assert isinstance(rest, Pieces)
    assert rest.closed


@pytest.mark.parametrize(
    ("location", "prefix", "by_path", "expected"),
    [
        ("https://api.twilio.com/2010-04-01/x?a=1", "", True, "http://gw:8080/api/2010-04-01/x?a=1"),
        ("//api.twilio.com/2010-04-01/x", "", True, "http://gw:8080/api/2010-04-01/x"),
        ("//verify.twilio.com/v2", "/verify", True, "http://gw:8080/verify/v2"),
        ("HTTPS://Verify.Twilio.com/v2", "/verify", True, "http://gw:8080/verify/v2"),
        ("/2010-04-01/y", "", True, "/2010-04-01/y"),
        ("/v2/y", "/verify", True, "http://gw:8080/verify/v2/y"),
        ("//other.test/x", "", True, "//other.test/x"),
        ("https://media.twiliocdn.com/x", "", True, "https://media.twiliocdn.com/x"),
        ("https://api.twilio.com/2010-04-01/x", "", False, "https://api.twilio.com/2010-04-01/x"),
    ],
)
async def test_a10_location_leads_back(location: str, prefix: str, by_path: bool, expected: str) -> None:
    """For callers that name the gateway as host; not for those that name Twilio's."""
    given = answer(b"", fields=((b"Location", location.encode()),), status=307)
    got = await adapt_answer(given, grant(prefix, by_path=by_path), BASE)
    assert got.fields == ((b"Location", expected.encode()),)


async def test_tokens_are_concealed_and_links_rewritten_in_one_answer() -> None:
    body = b'{"url": "https://verify.twilio.com/v2", "auth_token": "a secret"}'
    got = await adapt_answer(answer(body[:30], body[30:]), grant(conceals=True), BASE)
    assert await read_all(got) == b'{"url": "http://gw:8080/verify/v2", "auth_token": null}'


async def test_c5_other_exchanges_have_their_turn_while_a_large_answer_is_rewritten() -> None:
    """Counted in turns of the loop, not in seconds."""
    data = json.dumps({"services": PAGE["services"] * 20}).encode()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    got = await adapt_answer(answer(data), grant(), BASE)
    running.cancel()
    assert got.body == rewrite_links(data, HOSTS, BASE.origin)
    assert turns >= len(data) // 4096 - 1


def test_a_text_that_breaks_off_loses_nothing() -> None:
    splicer = link_splicer(HOSTS, BASE.origin)
    assert splicer.feed(b'{"a": 1, "url": "https://verify') == b'{"a": 1, "url": '
    assert (splicer.held, splicer.end(), splicer.held) == (15, b'"https://verify', 0)
    assert JsonSplicer(lambda path, token: b"1").feed(b"}{ 'x' \"a\"") == b"}{ 'x' \"a\""


def _inbound(target: str, host: str) -> Inbound:
    return require_head("GET", target, (1, 1), ((b"Host", host.encode()),))


@pytest.mark.parametrize(
    ("target", "host", "secure", "link"),
    [
        ("/v2/x", "verify.twilio.com", False, "http://verify.twilio.com/v2/Services"),
        ("/v2/x", "verify.twilio.com:80", False, "http://verify.twilio.com/v2/Services"),
        ("/v2/x", "verify.twilio.com:8080", False, "http://verify.twilio.com:8080/v2/Services"),
        ("/v2/x", "verify.twilio.com.", False, "http://verify.twilio.com/v2/Services"),
        ("/v2/x", "verify.dublin.ie1.twilio.com", False, "http://verify.twilio.com/v2/Services"),
        ("/v2/x", "verify.twilio.com", True, LINK),
        ("/v2/x", "verify.twilio.com:443", True, LINK),
        ("/v2/x", "verify.twilio.com:8443", True, "https://verify.twilio.com:8443/v2/Services"),
        ("http://verify.twilio.com/v2/x", "gw:8080", False, "http://verify.twilio.com/v2/Services"),
        ("http://verify.twilio.com:80/v2/x", "gw:8080", False, "http://verify.twilio.com/v2/Services"),
        ("https://verify.twilio.com/v2/x", "gw:8080", False, LINK),
        ("/verify/v2/x", "gw:8080", False, "http://gw:8080/verify/v2/Services"),
        ("/verify/v2/x", "gw:8443", True, "https://gw:8443/verify/v2/Services"),
    ],
)
async def test_links_can_be_followed_the_way_a_request_came(
    target: str, host: str, secure: bool, link: str
) -> None:
    """Plain HTTP by Host or absolute form: an https link would lead past the gateway."""
    inbound = _inbound(target, host)
    asked = grant(by_path=host.startswith("gw") and target.startswith("/"))
    own = f"{'https' if secure else 'http'}://{host}"
    base = find_base(asked, inbound, HOSTS, "", lambda host: own, secure=secure)
    page = json.dumps({"meta": {"next_page_url": LINK}}).encode()
    given = answer(page, fields=(JSON, (b"Location", LINK.encode())))
    got = given if base is None else await adapt_answer(given, asked, base)
    assert json.loads(got.body) == {"meta": {"next_page_url": link}}
    assert dict(got.fields)[b"Location"].decode() == link
