"""A caller's request id is used unless it cannot be shown: by its letters, or because it is a credential."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest

from gateway.identity.authentication import Identities, KeyEntry, digest_of
from gateway.identity.request_id import is_fit_request_id, read_secrets, take_trace_context
from tests.support.judging import consumer

APP = consumer()
KEY, OTHERS, EXPIRED = "gw_0123456789-key", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "gw_expired-0123456"
EXPIRES = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
IDENTITIES = Identities(
    {
        digest_of(KEY.encode()): KeyEntry(APP, None),
        digest_of(OTHERS.encode()): KeyEntry(APP, None),
        digest_of(EXPIRED.encode()): KeyEntry(APP, EXPIRES),
    }
)


def basic(password: str, name: str = "app") -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def _encoded(text: str) -> str:
    return b64encode(text.encode(), b"-_").decode().rstrip("=")


NEW, OLD = "gw" + "aB3" * 14 + "c", "gw_" + "aB-3" * 10 + "abc"
TOKEN = basic("abc", "name").removeprefix("Basic ")


@pytest.mark.parametrize(
    ("given", "authorization", "fit"),
    [
        ("order-7f3a", basic(KEY), True),
        ("0b51a1f2c3d4e5f60718293a4b5c6d7e", basic(KEY), True),
        ("app", basic(KEY), True),
        ("a", "", True),
        ("x", basic("x"), True),
        ("", "", False),
        ("two words", "", False),
        ("-begins", "", False),
        ("a" * 129, "", False),
        (KEY, basic(KEY), False),
        (KEY, f"Bearer {KEY}", False),
        (KEY, "", False),
        (OTHERS, basic(KEY), False),
        (EXPIRED, basic(KEY), False),
        (f"req-{KEY}", basic(KEY), False),
        (f"{KEY}.1", f"bearer  {KEY}", False),
        ("unknown-key-0123456789", basic("unknown-key-0123456789"), False),
        ("unknown-key-0123456789", "Bearer unknown-key-0123456789", False),
        ("unknown-key-0123456789", "unknown-key-0123456789", False),
        ("eyJhbGciOiJSUzI1NiJ9", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", False),
        (TOKEN, f"Basic {TOKEN}", False),
        (f"req-{OTHERS}", basic(KEY), False),
        (f"{OTHERS}.1", "", False),
        (f"req.{NEW}", "", False),
        (f"{OLD}-1", "", False),
        (_encoded(f"billing:{NEW}"), "", False),
        (_encoded(NEW), basic(KEY), False),
        (_encoded(f"billing:{OTHERS}"), "", False),
        (_encoded(OTHERS), "", False),
        (NEW.encode().hex(), "", False),
        (f"billing:{NEW}".encode().hex().upper(), "", False),
        (OTHERS.encode().hex(), basic(KEY), False),
        ("4b" * 32, "", True),
        ("gw-edge-1.4b" + "0" * 30, "", True),
        (_encoded("order 4711 of the customer 12"), "", True),
        ("a" * 41, "", True),
        ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "", True),
        ("fine", "Basic not*base64", True),
        ("fine", "Basic \udc80\udcff", True),
    ],
)
def test_b8_no_credential_is_a_request_id(given: str, authorization: str, fit: bool) -> None:
    shown = [authorization.encode("utf-8", "surrogateescape")] if authorization else []
    assert is_fit_request_id(given, IDENTITIES, read_secrets(shown)) is fit


SPAN_KEY = "0123456789abcdef"
TRACED = Identities({digest_of(key.encode()): KeyEntry(APP, None) for key in (OTHERS, SPAN_KEY)})
TRACE, SPAN = "4b" * 16, "0f" * 8


@pytest.mark.parametrize(
    ("trace_id", "parent_id", "authorization", "taken"),
    [
        (TRACE, SPAN, "", True),
        (TRACE, SPAN, basic(OTHERS), True),
        (OTHERS, SPAN, "", False),
        (TRACE, SPAN_KEY, "", False),
        (TRACE, SPAN, basic(TRACE), False),
        (TRACE, SPAN, f"Bearer {TRACE}", False),
        (TRACE, SPAN, basic(SPAN), False),
        (TRACE, SPAN, basic(f"{TRACE}-more-of-it"), False),
    ],
    ids=[
        "no key",
        "another key",
        "a consumer's key",
        "a key as the span",
        "its own password",
        "its own token",
        "its own password as the span",
        "a part of its password",
    ],
)
def test_b8_no_credential_is_a_trace(trace_id: str, parent_id: str, authorization: str, taken: bool) -> None:
    secrets = read_secrets([authorization.encode()] if authorization else [])
    assert (take_trace_context([f"00-{trace_id}-{parent_id}-01"], TRACED, secrets) is not None) is taken
