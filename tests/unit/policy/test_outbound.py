"""What is sent: identity with what was judged, framing, emission, and nothing of the consumer's."""

import pytest

from gateway.consumers.account_pinning import MY_ACCOUNT
from gateway.consumers.consumer import Emit
from gateway.errors import Refusal
from gateway.policy.outbound import wants_identity
from tests.support.judging import (
    FORM,
    KEY,
    MESSAGES,
    OWN,
    SUB,
    TOKEN,
    TWILIO_SECRET,
    consumer,
    grant,
    head,
    judge,
)

_FREE = consumer()
_POSTING = consumer(emit=Emit.POST)
_A = f"/2010-04-01/Accounts/{OWN}"
_BODY = b"To=%2B1&Body=a+b"
_TYPE = (b"Content-Type", FORM)


@pytest.mark.parametrize(
    ("target", "host", "sent"),
    [
        (MESSAGES, "api.twilio.com", MESSAGES),
        ("/api" + MESSAGES, "api.twilio.com", MESSAGES),
        ("http://api.twilio.com" + MESSAGES + "?a=%2c&b<=1", "api.twilio.com", MESSAGES + "?a=%2c&b<=1"),
        ("/verify/v2/a%2Cb/@c?x=%5Fy&&", "verify.twilio.com", "/v2/a%2Cb/@c?x=%5Fy&&"),
        (f"/2010-04-01/Accounts/{MY_ACCOUNT}/Calls", "api.twilio.com", f"{_A}/Calls"),
        ("/sync/v1/S?", "sync.twilio.com", "/v1/S"),
        ("/lookups/v2/PhoneNumbers/%2B15005550006", "lookups.twilio.com", "/v2/PhoneNumbers/%2B15005550006"),
    ],
)
def test_the_target_is_what_was_judged(target: str, host: str, sent: str) -> None:
    granted, outbound, _ = judge(_FREE, head("GET", target))
    assert (outbound.host, outbound.target) == (host, sent)
    assert outbound.target == (f"{granted.path}?{granted.query}" if granted.query else granted.path)


@pytest.mark.parametrize(
    ("method", "body", "fields", "length"),
    [
        ("GET", b"", (), -1),
        ("HEAD", b"", (), -1),
        ("DELETE", b"", ((b"Content-Length", b"0"),), -1),
        ("DELETE", b"a=1", (_TYPE,), 3),
        ("POST", b"", (), 0),
        ("PUT", b"", (), 0),
        ("POST", _BODY, (_TYPE,), len(_BODY)),
        ("POST", _BODY, (), len(_BODY)),
    ],
)
def test_framing_is_our_own(
    method: str, body: bytes, fields: tuple[tuple[bytes, bytes], ...], length: int
) -> None:
    _, outbound, _ = judge(_FREE, head(method, f"{_A}/Messages/SM1.json", *fields, body=body), body)
    assert (outbound.length, outbound.body, outbound.streams) == (length, body, False)
    assert b"ontent-Length" not in outbound.fields
    assert b"ransfer-Encoding" not in outbound.fields


def test_a_chunked_body_goes_out_with_a_length() -> None:
    _, outbound, _ = judge(_FREE, head("POST", MESSAGES, _TYPE, (b"Transfer-Encoding", b"chunked")), _BODY)
    assert (outbound.length, outbound.body) == (len(_BODY), _BODY)
    assert b"ransfer-Encoding" not in outbound.fields


@pytest.mark.parametrize(
    ("framing", "length"),
    [((b"Content-Length", b"9"), 9), ((b"Transfer-Encoding", b"chunked"), None)],
)
def test_an_upload_is_streamed_with_the_callers_length(
    framing: tuple[bytes, bytes], length: int | None
) -> None:
    inbound = head("POST", "/mcs/v1/Services/IS1/Media", framing, (b"Content-Type", b"image/png"))
    _, outbound, _ = judge(_FREE, inbound)
    assert (outbound.host, outbound.streams, outbound.length, outbound.body) == (
        "mcs.us1.twilio.com", True, length, b"",
    )  # fmt: skip
    assert b"Content-Type: image/png\r\n" in outbound.fields


@pytest.mark.parametrize(
    ("method", "query", "native", "posted"),
    [
        ("DELETE", "", ("DELETE", ""), ("POST", "?_method=DELETE")),
        ("PUT", "?a=1", ("PUT", "?a=1"), ("POST", "?a=1&_method=PUT")),
        ("POST", "?_method=delete&a=1", ("DELETE", "?a=1"), ("POST", "?a=1&_method=DELETE")),
        ("POST", "?a=1", ("POST", "?a=1"), ("POST", "?a=1")),
        ("GET", "?a=1", ("GET", "?a=1"), ("GET", "?a=1")),
    ],
)
def test_emission(method: str, query: str, native: tuple[str, str], posted: tuple[str, str]) -> None:
    path = f"{_A}/Messages/SM1.json"
    for given, (sent, left) in ((_FREE, native), (_POSTING, posted)):
        _, outbound, _ = judge(given, head(method, path + query))
        assert (outbound.method, outbound.target) == (sent, path + left)
        assert outbound.effective == native[0]
        assert (outbound.length == -1) == (sent in ("GET", "DELETE"))


def test_emit_post_is_refused_off_the_api_product() -> None:
    with pytest.raises(Refusal, match="emit_unsupported"):
        judge(_POSTING, head("DELETE", "/verify/v2/Services/VA1"))


@pytest.mark.parametrize(
    ("method", "target", "replayable"),
    [
        ("GET", MESSAGES, True),
        ("HEAD", MESSAGES, True),
        ("DELETE", f"{_A}/Messages/SM1", True),
        ("POST", MESSAGES, False),
        ("POST", f"{_A}/Messages/SM1", False),
        ("POST", f"{_A}/Messages/SM1?_method=DELETE", True),
        ("PUT", f"{_A}/Messages/SM1", True),
        ("PUT", MESSAGES, False),
        ("PATCH", f"{_A}/Messages/SM1", False),
    ],
)
def test_what_may_be_done_twice_follows_from_the_effective_method(
    method: str, target: str, replayable: bool
) -> None:
    for given in (_FREE, _POSTING):
        assert judge(given, head(method, target))[1].replayable == replayable


def test_the_account_of_the_path_brings_its_keys() -> None:
    _, outbound, _ = judge(_FREE, head("GET", f"/2010-04-01/Accounts/{SUB}/Calls.json"))
    assert outbound.account.sid == SUB


def test_nothing_secret_stands_in_it() -> None:
    granted, outbound, _ = judge(
        _FREE, head("POST", MESSAGES, _TYPE, (b"X-Key", KEY), (b"Proxy-Authorization", TOKEN)), b""
    )
    for text in (repr(outbound), repr(granted), outbound.fields.decode()):
        for secret in (KEY, TOKEN, TWILIO_SECRET):
            assert secret.decode() not in text
    assert b"uthorization" not in outbound.fields


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/verify/v2/Services", True),
        ("/api" + MESSAGES, False),
        (MESSAGES, False),
        ("http://verify.twilio.com/v2/Services", False),
    ],
)
def test_identity_is_asked_for_where_links_are_rewritten(target: str, expected: bool) -> None:
    assert wants_identity(grant(_FREE, head("GET", target))) == expected


def test_identity_is_asked_for_where_a_token_is_concealed() -> None:
    reader = consumer("GET api /2010-04-01/Accounts/{Sid}")
    assert wants_identity(grant(reader, head("GET", f"{_A}.json")))
