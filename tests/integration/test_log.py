"""The log of real exchanges: a blocked standard output, sampling, what answers put in, what libraries say."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.app.gateway import Gateway
from gateway.config.loading.resolve import load_resolved
from gateway.observe.log.line_writer import LineWriter
from tests.support.attempts import GET, POST, until, with_field
from tests.support.caller import ask, ask_admin, raw_caller
from tests.support.running import ENVIRON, LogCapture, configuration, running_gateway, spawned_gateway
from tests.support.upstream import RawUpstream, reply

CANARY = b"cAnArY"


async def test_a_blocked_standard_output_blocks_no_traffic(upstream: RawUpstream, tmp_path: Path) -> None:
    """A pipe that nobody reads: all is answered, and what was dropped is told once somebody reads again."""
    config = tmp_path / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration(upstream.url, log={"format": "json"})))
    reading, writing = os.pipe()
    writer = LineWriter(writing, max_bytes=16 * 1024)
    gateway = Gateway(make_configuration(load_resolved(config, ENVIRON)), writer)
    await gateway.start()
    port = int(gateway.url.rpartition(":")[2])
    sent = 0
    async with raw_caller(port) as caller:
        while writer.dropped < 10:
            await caller.send(GET)
            assert (await caller.answer()).status == 200
            sent += 1
    dropped = writer.dropped
    stream, capture = asyncio.StreamReader(), LogCapture()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
    )
    following = asyncio.create_task(capture.follow(stream))
    await capture.until(lambda lines: any(line["event"] == "log lines dropped" for line in lines))
    await gateway.drain()
    await gateway.stop()
    writer.close()
    os.close(writing)
    await following
    pipe.close()
    (told,) = [line for line in capture.lines if line["event"] == "log lines dropped"]
    assert (told["total"], told["level"]) == (dropped, "warning")
    assert sum(line["event"] == "exchange" for line in capture.lines) == sent - dropped


async def test_sampling_leaves_out_plain_successes_only(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, log={"sample_successes": 0}) as gateway:
        assert (await ask(gateway.port, GET)).status == 200
        upstream.then(reply(b"{}", status="503 No"))
        assert (await ask(gateway.port, GET)).status == 200  # after a retry
        assert (await ask(gateway.port, with_field(POST, "Expect: nonsense"))).status == 417
        upstream.then(reply(b"{}", status="404 No"))
        assert (await ask(gateway.port, GET)).status == 404
        lines = await gateway.exchange_logged(3)
    assert [(line["status"], line["attempts"]) for line in lines] == [(200, 2), (417, 0), (404, 1)]


@pytest.mark.parametrize(
    ("given", "logged"),
    [
        ("RQ00112233445566778899aabbccddeeff", True),
        ("RQ00112233445566778899aabbccddeef", False),
        ("RQ00112233445566778899aabbccddeeff0", False),
        ("+15558675309", False),
        ("RQ00112233445566778899aabbccdde\xe9ff", False),
        ("", False),
    ],
)
async def test_a_request_id_of_twilios_is_logged_if_it_is_one(
    upstream: RawUpstream, given: str, logged: bool
) -> None:
    upstream.then(reply(b"{}", fields=(f"Twilio-Request-Id: {given}",)))
    async with running_gateway(upstream.url) as gateway:
        assert (await ask(gateway.port, GET)).status == 200
        (line,) = await gateway.exchange_logged(1)
    assert line.get("twilio_request_id") == (given if logged else None)


STORM = [
    CANARY + b" \x00\xff\r\n\r\n",
    b"GET /" + CANARY + b" HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + CANARY + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + CANARY + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CANARY + b"\r\n",
    b"\x16\x03\x01" + CANARY,
]


async def test_a_storm_of_malformed_requests_puts_no_byte_into_the_log(
    upstream: RawUpstream, tmp_path: Path
) -> None:
    """Of a process as it is run, standard error included: nothing but our lines."""
    async with spawned_gateway(tmp_path, upstream.url) as spawned:
        port = int(spawned.url.rpartition(":")[2])
        for given in STORM * 20:
            async with raw_caller(port) as caller:
                await caller.send(given)
                caller.hang_up() if given.startswith(b"\x16") else await caller.rest()
        assert (await ask(port, GET)).status == 200
        await spawned.capture.until(lambda lines: lines[-1].get("status") == 200)
        lines = spawned.capture.lines
    assert CANARY.decode() not in repr(lines)
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    refused = [line for line in lines if line.get("gateway_error") == "malformed_request"]
    assert len(refused) >= 100


LOUD = """
import asyncio, gc, logging, sys, threading, warnings
from gateway.observe.log.library_logs import route_libraries
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import open_log

writer = LineWriter(1)
route_libraries(open_log(writer, "info", "json"))
warnings.simplefilter("always")
warnings.warn("cAnArY", DeprecationWarning)
error = ValueError("cAnArY")
logging.getLogger("aiohttp.server").error("Error handling request from %s", "cAnArY", exc_info=error)

class Loud:
    def __del__(self):
        raise ValueError("cAnArY")

Loud()
def fail(): raise KeyError("cAnArY")
thread = threading.Thread(target=fail); thread.start(); thread.join()
async def main():
    async def lost(): raise OSError("cAnArY")
    task = asyncio.ensure_future(lost())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    told = {"message": "Fatal error on transport", "transport": "cAnArY"}
    asyncio.get_running_loop().call_exception_handler(told)
asyncio.run(main())
writer.close()
"""


def test_what_python_and_libraries_say_has_our_shape() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOUD], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert "cAnArY" not in done.stdout
    lines = [yaml.safe_load(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line.get("error")) for line in lines] == [
        ("python warning", "DeprecationWarning"),
        ("Error handling request from %s", "ValueError"),
        ("exception ignored", "ValueError"),
        ("thread failed", "KeyError"),
        ("Task exception was never retrieved", "OSError"),
        ("Fatal error on transport", None),
    ]


async def test_every_caller_has_an_address(upstream: RawUpstream) -> None:
    """Only the log can tell where a wrong key is used."""
    async with running_gateway(upstream.url) as gateway:
        await ask(gateway.port, GET.replace(b"Authorization: Basic ", b"Authorization: Bearer "))
        await ask(gateway.port, b"no request\r\n\r\n")
        await ask(gateway.port, GET)
        wrong, unparsed, good = await gateway.exchange_logged(3)
    assert (wrong["gateway_error"], wrong["address"]) == ("unknown_consumer", "127.0.0.1")
    assert (unparsed["gateway_error"], unparsed["address"]) == ("malformed_request", "127.0.0.1")
    assert (good["consumer"], good["address"]) == ("app", "127.0.0.1")


async def test_c4_lines_lost_to_a_full_disk_are_counted(upstream: RawUpstream) -> None:
    """`/dev/full` takes nothing: traffic goes on, and the metric that the alert reads grows."""
    async with running_gateway(upstream.url) as gateway:
        await gateway.capture.until(lambda lines: any(line["event"] == "serving" for line in lines))
        full = os.open("/dev/full", os.O_WRONLY)
        stdout = os.dup(gateway.gateway._writer._descriptor)
        os.dup2(full, gateway.gateway._writer._descriptor)
        try:
            for _ in range(3):
                assert (await ask(gateway.port, GET)).status == 200
            await until(lambda: gateway.gateway._writer.dropped >= 3)
            scraped = await ask_admin(int(gateway.admin_url.rpartition(":")[2]), "/metrics")
            assert b"\ngateway_log_lines_dropped_total 3.0\n" in scraped.body
        finally:
            os.dup2(stdout, gateway.gateway._writer._descriptor)
            os.close(stdout)
            os.close(full)
