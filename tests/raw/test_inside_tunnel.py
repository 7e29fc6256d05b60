"""The project's own raw cases inside a tunnel: the same answers, byte for byte where they say so."""

from pathlib import Path
from typing import Any

import pytest

from tests.raw.test_cases import _BELOW_ONE_ACCOUNT, _fill, _load
from tests.support.authority import make_authority, trusting_root
from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, request
from tests.support.running import running_gateway
from tests.support.tunnel import tunnel
from tests.support.upstream import raw, raw_upstream

HOST = "api.twilio.com"
CALLERS = {"header_bytes": 8192, "headers_max": 32, "idle_seconds": 30, "body_seconds": 30}


OTHER_NAME = {"absolute-form", "other-host"}
"""They name another host than the tunnel: 421, and nothing is sent."""
BY_PATH = {"unknown-product": (403, "not_allowed")}
"""A tunnel's name is the product, and no prefix of the path."""


def inside(text: str) -> str:
    """The same for the tunnel's name."""
    return _fill(text).replace("Host: gateway.test", f"Host: {HOST}")


@pytest.mark.parametrize("case", _load("requests.yaml"))
async def test_requests(case: dict[str, Any], tmp_path: Path) -> None:
    ca = make_authority(tmp_path)
    async with (
        raw_upstream() as upstream,
        running_gateway(upstream.url, callers=CALLERS, ca=ca) as gateway,
        tunnel(gateway.port, trusting_root(tmp_path), HOST) as caller,
    ):
        if case.get("method") == "HEAD":
            upstream.then(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"))
        await caller.send(inside(case["raw"]).encode("latin-1"))
        for count in range(case.get("answers", 1)):
            answer = await caller.answer(case.get("method", "GET"))
            if case["id"] in OTHER_NAME:
                assert (answer.status, upstream.received) == (421, [])
                return
            if count == 0:
                assert answer.status == case["status"]
                assert answer.slug == case.get("slug", answer.slug)
        assert [received.line for received in upstream.received] == [_fill(line) for line in case["upstream"]]
        assert not upstream.broken
        if "body" in case:
            assert upstream.received[-1].body == case["body"].encode()
        if case.get("again") is True:
            await caller.send(inside(request(f"GET {MESSAGES}?again").decode()).encode())
            assert (await caller.answer()).status == 200
        elif case.get("again") is False:
            assert await caller.reader.read() == b""
        assert all(received.values("authorization") != [AUTHORIZATION] for received in upstream.received)


@pytest.mark.parametrize("case", _load("policy.yaml"))
async def test_policy(case: dict[str, Any], tmp_path: Path) -> None:
    form = case.get("form", "").encode()
    data = request(f"{case['method']} {_fill(case['target'])}", *((FORM,) if form else ()), body=form)
    settings = {"consumers": {"app": _BELOW_ONE_ACCOUNT}, "ca": make_authority(tmp_path)}
    async with (
        raw_upstream() as upstream,
        running_gateway(upstream.url, **settings) as gateway,
        tunnel(gateway.port, trusting_root(tmp_path), HOST) as caller,
    ):
        await caller.send(data.replace(b"Host: gateway.test", f"Host: {HOST}".encode()))
        answer = await caller.answer()
        expected = BY_PATH.get(case["id"], (case["status"], case.get("slug", "")))
        assert (answer.status, answer.slug) == expected
        assert len(upstream.received) == (1 if case["status"] == 200 else 0)
