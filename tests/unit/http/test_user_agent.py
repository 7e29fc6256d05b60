"""User-Agents of Twilio's clients as they stand on the wire, and those that say nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import UNKNOWN_SDK
from gateway.http.user_agent import read_sdk, split_sdk

KNOWN = [
    (b"twilio-python/9.13.0 (Linux x86_64) Python/3.11.2", "twilio-python", "9.13.0"),
    (b"twilio-node/6.3.1 (linux x64) node/v22.12.0", "twilio-node", "6.3.1"),
    (b"twilio-go/1.30.9 (linux amd64) go/1.24.1", "twilio-go", "1.30.9"),
    (b"twilio-go/1.30.9 (linux amd64) go/1.24.1 billing/7", "twilio-go", "1.30.9"),
    (b"twilio-java/12.0.0 (Linux amd64) java/21.0.5", "twilio-java", "12.0.0"),
    (b"twilio-java/10.0.0-rc.1 (Linuxamd64) java/17", "twilio-java", "10.0.0-rc.1"),
    (b"twilio-php/8.12.0 (Linux x86_64) PHP/8.2.26", "twilio-php", "8.12.0"),
    (b"twilio-php/5.42.2 (PHP 7.4.33)", "twilio-php", "5.42.2"),
    (b"twilio-ruby/7.11.0 (linux x86_64) Ruby/3.2.6", "twilio-ruby", "7.11.0"),
    (b"twilio-csharp/7.14.0 (Linux X64) .NET/8", "twilio-csharp", "7.14.0"),
    (b"twilio-csharp/5.28.1", "twilio-csharp", "5.28.1"),
    (b"@twilio/cli-core/8.2.1 (linux x64) twilio-node/5.4.3 node/v22 api:core", "twilio-cli", "8.2.1"),
    (b"plugin-x/1.0 @twilio/cli-core/8.2.1 (linux x64)", "twilio-cli", "8.2.1"),
    (b"twilio-go/1.30.9\tgo/1", "twilio-go", "1.30.9"),
    (b"curl/8.11.0", "curl", "8.11.0"),
    (b"twilio-python/8.2.0b1", "twilio-python", "8.2.0b1"),
    (b"twilio-node/6.0.0-rc.13+build.5", "twilio-node", "6.0.0-rc.13+build.5"),
]


@pytest.mark.parametrize(("user_agent", "name", "version"), KNOWN, ids=[name for _, name, _ in KNOWN])
def test_clients_are_recognized(user_agent: bytes, name: str, version: str) -> None:
    assert read_sdk(user_agent) == f"{name}/{version}"
    assert split_sdk(read_sdk(user_agent)) == (name, version)


@pytest.mark.parametrize(
    "user_agent",
    [
        b"",
        b" ",
        b"twilio-go",
        b"twilio-go/",
        b"twilio-go/v1.2",
        b"twilio-go/1.2,3",
        b"twilio-go/1.2(linux)",
        b"twilio-go /1.2",
        b"twilio-go/1.2;x",
        b"twilio-go/" + b"1" * 33,
        b"twilio-go/" + b"9f8e7d6c5b4a39281706f5e4d3c2b1a0",  # a key (B8)
        b"@twilio/cli-core/1f8e7d6c5b4a39281706f5e4d3c2b1a",
        b"twilio-go/1.2.3gwQ5dS0kXv9c2Jm7T",
        b"twilio-go/1.30.9 " + b"x" * 512,
        b"-go/1.2",
        b"(twilio-go/1.2)",
        b"a" * 65 + b"/1",
        b"/1.2",
        b"x@twilio/cli-core/8.2.1",
        b"\xfftwilio-go/1.2",
        b"twilio-go/1.2\n",
    ],
)
def test_odd_ones_are_no_client(user_agent: bytes) -> None:
    assert read_sdk(user_agent) == UNKNOWN_SDK


@given(st.binary(max_size=700) | st.builds(bytes.__add__, st.just(b"twilio-go/"), st.binary(max_size=40)))
def test_any_bytes_give_a_short_plain_name(user_agent: bytes) -> None:
    sdk = read_sdk(user_agent)
    name, version = split_sdk(sdk)
    assert sdk.isascii()
    assert sdk.isprintable()
    assert 0 < len(name) <= 64
    assert len(version) <= 32
    assert sdk == UNKNOWN_SDK or version[0].isdigit()
