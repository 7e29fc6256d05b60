"""Twilio's names that lead to the gateway itself: not started, or 508; and name servers of its own."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from gateway.app.configuration import make_configuration
from gateway.app.options import Options
from gateway.app.upstream_loops import is_of_this_machine, require_no_loop, upstream_names
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from tests.support.caller import MESSAGES, ask, request
from tests.support.running import running_gateway
from tests.support.upstream import RawUpstream
from tests.unit.config.conftest import GOOD, Write, write

GET = request(f"GET {MESSAGES}")


class NameServer(asyncio.DatagramProtocol):
    """Answers every question for an A record with one address (RFC 1035 4)."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        question = data[12:end]
        self.asked.append(question[:-5])
        is_address = question[-4:] == b"\0\1\0\1"
        head = data[:2] + b"\x81\x80" + struct.pack("!4H", 1, is_address, 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(self.address)
        self.transport.sendto(head + question + (record if is_address else b""), addr)


@asynccontextmanager
async def name_server(address: str) -> AsyncIterator[tuple[NameServer, str]]:
    """One on loopback; what it was asked, and its address."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(address), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


def options_of_text(write: Write, text: str) -> tuple[Options, set[str]]:
    """Options and upstream names of a configuration."""
    made = make_configuration(load_resolved(write(GOOD + text), ENVIRON_OF_GOOD))
    return made.options, upstream_names(made.snapshot)


ENVIRON_OF_GOOD = {
    "ACCOUNT_SID": "AC" + "0a" * 16,
    "KEY_SID": "SK" + "1b" * 16,
    "KEY_SECRET": "s3cret-of-the-key",
}


async def test_a_name_that_leads_to_this_machine(write: Write) -> None:
    async with name_server("127.0.0.1") as (server, address):
        options, names = options_of_text(write, f"upstream: {{nameservers: ['{address}']}}\n")
        with pytest.raises(ConfigError) as caught:
            await require_no_loop(options, names)
    text = str(caught.value)
    assert "api.twilio.com resolves to 127.0.0.1, an address of this machine" in text
    assert "upstream.nameservers" in text
    assert b"\x03api\x06twilio\x03com" in server.asked
    assert len(server.asked) >= len(names)


async def test_names_that_lead_elsewhere(write: Write) -> None:
    async with name_server("192.0.2.1") as (server, address):
        options, names = options_of_text(write, f"upstream: {{nameservers: ['{address}']}}\n")
        await require_no_loop(options, names)
    assert server.asked


@pytest.mark.parametrize("setting", ["connect_to", "proxy"])
async def test_an_address_that_is_our_own(write: Write, setting: str) -> None:
    text = "listen: 127.0.0.1:8999\nupstream: {%s: 'http://localhost:%d'}\n"
    options, names = options_of_text(write, text % (setting, 8999))
    with pytest.raises(ConfigError, match=f"upstream.{setting} leads to .* the gateway's own listener"):
        await require_no_loop(options, names)
    await require_no_loop(*options_of_text(write, text % (setting, 8998)))


def test_addresses_of_this_machine() -> None:
    assert is_of_this_machine("127.0.0.1")
    assert is_of_this_machine("::1")
    assert not is_of_this_machine("192.0.2.1")
    assert not is_of_this_machine("no address")


async def test_a_request_of_our_own_that_comes_back(upstream: RawUpstream) -> None:
    async with (
        running_gateway(upstream.url) as gateway,
        running_gateway(upstream.url, store_prefix="two") as other,
    ):
        await ask(gateway.port, GET)
        (via,) = upstream.received[0].values("via")
        looped = request(f"GET {MESSAGES}", f"Via: 1.0 fred, {via}", auth="Basic U0s6c2VjcmV0")
        answer = await ask(gateway.port, looped)
        assert (answer.status, answer.slug) == (508, "loop_detected")
        assert (await ask(gateway.port, request(f"GET {MESSAGES}", "Via: 1.1 twilio-gateway"))).status == 200
        assert (await ask(other.port, request(f"GET {MESSAGES}", f"Via: {via}"))).status == 200


async def test_a_gateway_that_leads_to_itself_answers_508(upstream: RawUpstream) -> None:
    """As behind a Service, where nobody could see it at the start."""
    async with running_gateway(upstream.url) as inner, running_gateway(inner.url) as outer:
        answer = await ask(outer.port, GET)
        assert answer.status == 508
    assert not upstream.received


BAD = ["dns.example", "10.0.0.1:port", "10.0.0.1/24", ""]


@pytest.mark.parametrize("server", BAD)
def test_what_is_no_name_server(write: Write, server: str) -> None:
    with pytest.raises(ConfigError, match=r"upstream\.nameservers"):
        load_resolved(write(GOOD + f"upstream: {{nameservers: ['{server}']}}\n"), ENVIRON_OF_GOOD)


__all__ = ["write"]
