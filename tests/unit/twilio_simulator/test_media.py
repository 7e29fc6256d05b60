"""Streams in both directions, and the redirect to the media host."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from tests.unit.twilio_simulator.conftest import MAIN, Caller, account_path, basic
from twilio_simulator import Simulator
from twilio_simulator.media_resources import BLOCK, pattern_bytes

MEDIA = account_path("/Messages/SM1/Media/ME1")
UPLOAD = "/v1/Services/IS1/Media"


async def test_redirect_to_another_host(caller: Caller) -> None:
    reply = await caller.get(MEDIA)
    assert (reply.status, reply.body) == (307, b"")
    assert reply.headers["Location"] == f"https://media.twiliocdn.com/{MAIN}/ME1"


@pytest.mark.parametrize("size", [0, 1, len(BLOCK) - 1, len(BLOCK), len(BLOCK) + 1, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_streams_any_size(caller: Caller, size: int, chunked: bool) -> None:
    reply = await caller.get(f"{MEDIA}?Size={size}" + ("&Chunked=1" if chunked else ""))
    assert reply.status == 200
    assert reply.body == pattern_bytes(size)
    assert reply.headers.get("Content-Length") == (None if chunked else str(size))
    assert reply.headers.get("Transfer-Encoding") == ("chunked" if chunked else None)
    assert reply.headers["Content-Type"] == "image/jpeg"


async def test_head_of_a_stream(caller: Caller) -> None:
    reply = await caller.send("HEAD", f"{MEDIA}?Size=1000000000")
    assert (reply.headers["Content-Length"], reply.body) == ("1000000000", b"")


async def test_size_must_be_a_number(caller: Caller) -> None:
    assert (await caller.get(f"{MEDIA}?Size=much")).status == 400


async def test_upload_tells_what_arrived(simulator: Simulator, caller: Caller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield BLOCK

    reply = await caller.post(
        UPLOAD, host="mcs.us1.twilio.com", data=pieces(), headers={"Content-Type": "video/mp4"}
    )
    assert reply.status == 201
    assert reply.json["size"] == 64 * len(BLOCK)
    assert reply.json["sha256"] == hashlib.sha256(BLOCK * 64).hexdigest()
    assert reply.json["content_type"] == "video/mp4"
    assert simulator.counts()["created"] == {"uploads": 1}


async def test_empty_upload_is_400(caller: Caller) -> None:
    assert (await caller.post(UPLOAD, host="mcs.us1.twilio.com")).status == 400


async def test_upload_is_refused_before_its_body_is_read(simulator: Simulator, caller: Caller) -> None:
    caller.authorization = basic(MAIN, "wrong")
    reply = await caller.post(UPLOAD, host="mcs.us1.twilio.com", data=b"x" * 1000)
    assert reply.status == 401
    assert simulator.counts()["created"] == {}
