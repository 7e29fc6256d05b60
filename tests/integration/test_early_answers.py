"""Answers that come early or break off, and malformed chunks (rows A4, B9, D11), through a whole gateway."""

import asyncio
import http.client

import pytest

from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, ask, raw_caller, request
from tests.support.running import Running
from tests.support.upstream import RawUpstream, ScriptedConnection, answer, early

MIB = 1 << 20
UPLOAD = "/mcs/v1/Services/IS00112233445566778899aabbccddeeff/Media"


def upload(port: int, target: str, *, chunked: bool) -> tuple[int, bytes]:
    """Send 10 MiB as `http.client` does: all of it, and only then look for an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = b"a" * MIB
    fields = {"Authorization": AUTHORIZATION, "Content-Type": "application/x-www-form-urlencoded"}
    if not chunked:
        fields["Content-Length"] = str(10 * MIB)
    try:
        connection.request("POST", target, iter([body] * 10), fields, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["A4-sized", "A4-chunked"])
async def test_an_answer_of_twilio_before_the_upload_ends_reaches_the_caller(
    gateway: Running, upstream: RawUpstream, chunked: bool
) -> None:
    """RFC 9112 9.5, 9.6. The upstream reads nothing of the body."""

    async def refuse(connection: ScriptedConnection) -> None:
        await connection.send(answer(b'{"code": 20003}', status="401 Unauthorized"))

    for _ in range(3):
        upstream.then(early(refuse))
        status, body = await asyncio.to_thread(upload, gateway.port, UPLOAD, chunked=chunked)
        assert (status, body) == (401, b'{"code": 20003}')
    assert {line["event"] for line in gateway.log()} <= {"exchange", "serving"}


@pytest.mark.parametrize("chunked", [False, True], ids=["A4-sized", "A4-chunked"])
async def test_a_refusal_of_ours_before_the_upload_ends_reaches_the_caller(
    gateway: Running, chunked: bool
) -> None:
    """A body over the limit is 413 at once, while the caller still sends it."""
    status, body = await asyncio.to_thread(upload, gateway.port, MESSAGES, chunked=chunked)
    assert status == 413
    assert b"body_too_large" in body


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_b9_an_answer_that_breaks_off_is_no_clean_end(
    gateway: Running, upstream: RawUpstream, version: str
) -> None:
    """In HTTP/1.0 the end of the connection is the end of the answer: it must be a reset."""

    async def broken(connection: ScriptedConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await connection.send(b"%x\r\n%b\r\n" % (200_000, b"x" * 200_000))
        await gate.wait()
        connection.reset()

    gate = asyncio.Event()
    upstream.then(broken)
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}", version=version))
        await caller.until(b"\r\n\r\n")
        gate.set()
        received = b""
        try:
            while piece := await caller.reader.read(65_536):
                received += piece
            ended = "clean"
        except ConnectionResetError:
            ended = "reset"
    assert ended == "reset" or version == "1.1"
    assert not received.endswith(b"0\r\n\r\n")
    assert (await gateway.exchange_logged(1))[0]["ending"] == "aborted"


@pytest.mark.parametrize("body", [b"zz\r\nTo=1\r\n0\r\n\r\n", b"4\r\nTo=1X0\r\n\r\n", b"4\r\nTo=1\r\n0\n\n"])
@pytest.mark.parametrize("target", [MESSAGES, UPLOAD], ids=["buffered", "streamed"])
async def test_d11_a_malformed_chunk_is_one_refusal_and_no_error(
    gateway: Running, upstream: RawUpstream, target: str, body: bytes
) -> None:
    """Whether it comes along with the head or later."""
    given = request(f"POST {target}", FORM, "Transfer-Encoding: chunked", body=body)
    assert (await ask(gateway.port, given)).slug == "incomplete_body"
    async with raw_caller(gateway.port) as caller:
        await caller.send(given[: -len(body)])
        await ask(gateway.port, request(f"GET {MESSAGES}"))
        await caller.send(body)
        assert (await caller.answer()).slug == "incomplete_body"
    lines = await gateway.exchange_logged(3)
    assert [line.get("gateway_error", "") for line in lines].count("incomplete_body") == 2
    assert [line for line in gateway.log() if line["level"] == "error"] == []
    assert {line["event"] for line in gateway.log()} <= {"exchange", "serving"}
