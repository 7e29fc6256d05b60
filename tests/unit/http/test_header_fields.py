"""Fields across the gateway: hop-by-hop and ours stripped, the rest as it came."""

import base64

import pytest

from gateway.http.header_fields import (
    NEVER_SENT,
    build_answer_fields,
    build_request_fields,
    drop_field,
    find_field,
    replace_field,
)
from tests.support.judging import AUTHORIZATION, FORM, KEY, TOKEN, head

_SECRETS = (KEY, TOKEN)


def _sent(
    *fields: tuple[bytes, bytes],
    content_type: bytes | None = None,
    keeps_idempotency_key: bool = False,
    asks_identity: bool = False,
    trace: bytes = b"",
) -> list[bytes]:
    """The lines that go upstream, without our Via."""
    block, _ = build_request_fields(
        head("POST", "/2010-04-01/x", *fields),
        _SECRETS,
        allowed=None,
        content_type=content_type,
        keeps_idempotency_key=keeps_idempotency_key,
        asks_identity=asks_identity,
        trace=trace,
    )
    lines = block.split(b"\r\n")
    assert lines[-2:] == [b"Via: 1.1 twilio-gateway", b""]
    return lines[:-2]


def test_order_case_and_repeats_are_kept() -> None:
    fields = (
        (b"X-TwiLio-Webhook-Enabled", b"true"),
        (b"accept", b"*/*"),
        (b"If-Match", b'"a"'),
        (b"X-A", b"1"),
        (b"x-a", b"2"),
        (b"Accept-Encoding", b"gzip"),
        (b"X-Empty", b""),
        (b"Via", b"1.1 other"),
        (b"X-Request-Id", b"abc"),
        (b"User-Agent", b"twilio-python/9.13.0"),
    )
    assert _sent(*fields) == [b"%b: %b" % field for field in fields]


@pytest.mark.parametrize(
    "name",
    [
        b"Connection", b"Keep-Alive", b"TE", b"Trailer", b"Upgrade", b"HTTP2-Settings", b"Proxy-Connection",
        b"Proxy-Authenticate", b"Proxy-Authentication-Info", b"Cookie", b"Forwarded",
        b"X-Forwarded-For", b"x-forwarded-host", b"X-FORWARDED-Anything", b"X-Real-IP",
        b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override", b"Expect", b"Gateway-Timeout",
        b"Gateway-Error", b"Idempotency-Key", b"Content-Length", b"traceparent", b"TraceState", b"baggage",
    ],
)  # fmt: skip
def test_what_concerns_only_our_side_is_dropped(name: bytes) -> None:
    value = {b"Content-Length": b"0", b"Expect": b"100-continue"}.get(name, b"x")
    assert _sent((name, value), (b"X-Kept", b"1")) == [b"X-Kept: 1"]


def test_what_connection_names_is_dropped_and_ours_survives() -> None:
    lines = _sent(
        (b"Connection", b"close, X-One ,authorization"),
        (b"connection", b"content-type, via"),
        (b"x-one", b"1"),
        (b"X-Two", b"2"),
        (b"Content-Type", FORM),
    )
    assert lines == [b"X-Two: 2", b"Content-Type: " + FORM]


@pytest.mark.parametrize(
    "field",
    [
        (b"X-Api-Key", KEY),
        (b"X-Debug", b"key=" + KEY + b";"),
        (b"X-Auth", TOKEN),
        (b"X-Authorization", AUTHORIZATION[1]),
        (b"X-Original-Authorization", b"basic " + base64.b64encode(b"other:" + KEY)),
        (b"X-Original-Authorization", b"Bearer " + KEY[::-1]),
        (b"Proxy-Authorization", b"Bearer x"),
        (b"X-" + KEY.replace(b"_", b"-"), b"a" + KEY),
        (b"Referer", b"http://app:" + KEY + b"@gateway/"),
        (b"Content-Type", FORM + b"; x=" + KEY),
    ],
)
def test_the_key_goes_upstream_in_no_field(field: tuple[bytes, bytes]) -> None:
    assert _sent(field, (b"X-Kept", b"1")) == [b"X-Kept: 1"]


def test_a_key_in_idempotency_key_does_not_travel() -> None:
    assert _sent((b"Idempotency-Key", KEY), keeps_idempotency_key=True) == []


def test_fields_of_the_body_that_is_sent() -> None:
    typed = (b"Content-Type", b"application/json")
    assert _sent(typed) == [b"Content-Type: application/json"]
    assert _sent(typed, content_type=FORM) == [b"Content-Type: " + FORM]
    assert _sent(content_type=FORM) == [b"Content-Type: " + FORM]


def test_idempotency_key_only_where_it_is_declared() -> None:
    field = (b"idempotency-key", b"a1")
    assert _sent(field) == []
    assert _sent(field, keeps_idempotency_key=True) == [b"Idempotency-Key: a1"]
    assert _sent(keeps_idempotency_key=True) == []


def test_our_trace_fields_replace_the_callers() -> None:
    lines = (b"traceparent: 00-a-b-01", b"tracestate: a=1")
    given = ((b"traceparent", b"theirs"), (b"X-Kept", b"1"))
    assert _sent(*given, trace=b"\r\n".join((*lines, b""))) == [b"X-Kept: 1", *lines]


def test_a_key_in_tracestate_does_not_travel() -> None:
    trace = b"traceparent: 00-a-b-01\r\ntracestate: a=" + KEY + b"\r\n"
    assert _sent(trace=trace) == [b"traceparent: 00-a-b-01"]


def test_asking_for_identity_replaces_what_the_caller_asked_for() -> None:
    accepts = ((b"Accept-Encoding", b"gzip"), (b"accept-encoding", b"br"))
    assert _sent(*accepts, asks_identity=True) == [b"Accept-Encoding: identity"]


_ANSWER = (
    (b"Content-Type", b"application/json"),
    (b"content-LENGTH", b"5"),
    (b"Set-Cookie", b"a=1"),
    (b"Set-Cookie", b"b=2"),
    (b"Server", b"envoy"),
    (b"X-Latin", b"\xe9"),
)


@pytest.mark.parametrize(
    ("length", "keeps_length", "expected"),
    [
        (5, False, b"content-LENGTH: 5\r\n"),
        (17, False, b"content-LENGTH: 17\r\n"),
        (None, False, b""),
        (None, True, b"content-LENGTH: 5\r\n"),
    ],
)
def test_an_answer_keeps_its_fields_and_gets_our_framing(
    length: int | None, keeps_length: bool, expected: bytes
) -> None:
    assert build_answer_fields(_ANSWER, length, keeps_length=keeps_length) == (
        b"Content-Type: application/json\r\n"
        + expected
        + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: envoy\r\nX-Latin: \xe9\r\n"
    )


def test_a_length_that_was_not_there_comes_last() -> None:
    assert build_answer_fields([(b"A", b"1")], 3, keeps_length=False) == b"A: 1\r\nContent-Length: 3\r\n"


@pytest.mark.parametrize(
    "name",
    [b"Connection", b"Keep-Alive", b"Transfer-Encoding", b"Trailer", b"Upgrade", b"X-Request-Id",
     b"Gateway-Error", b"gateway-attempts", b"Gateway-Outcome", b"X-Named"],
)  # fmt: skip
def test_fields_that_an_answer_loses(name: bytes) -> None:
    fields = [(b"connection", b"x-named"), (name, b"x"), (b"A", b"1")]
    assert build_answer_fields(fields, None, keeps_length=False) == b"A: 1\r\n"


def test_what_connection_names_may_stand_before_it_and_the_length_stays() -> None:
    fields = [(b"X-Named", b"x"), (b"Content-Length", b"9"), (b"Connection", b"x-NAMED, content-length")]
    assert build_answer_fields(fields, 3, keeps_length=False) == b"Content-Length: 3\r\n"


def test_single_fields() -> None:
    assert find_field(_ANSWER, b"content-length") == b"5"
    assert find_field(_ANSWER, b"location") == b""
    assert find_field(drop_field(_ANSWER, b"set-cookie"), b"set-cookie") == b""
    replaced = replace_field(_ANSWER, b"server", b"x")
    assert (b"Server", b"x") in replaced
    assert len(replaced) == len(_ANSWER)


_ALLOWED = frozenset({b"if-match", b"user-agent", b"content-encoding", b"x-mine"})


def _filter(
    *fields: tuple[bytes, bytes], content_type: bytes | None = None
) -> tuple[list[bytes], tuple[bytes, ...]]:
    block, dropped = build_request_fields(
        head("POST", "/2010-04-01/x", *fields),
        _SECRETS,
        allowed=_ALLOWED,
        content_type=content_type,
        keeps_idempotency_key=False,
        asks_identity=False,
    )
    return block.split(b"\r\n")[:-2], dropped


@pytest.mark.parametrize(
    "name",
    [
        b"Twilio-Client-Validation", b"X-Original-URL", b"X-Rewrite-URL", b"X-HTTP-Host-Override", b"b3",
        b"X-B3-TraceId", b"uber-trace-id", b"x-datadog-trace-id", b"sentry-trace", b"X-Amzn-Trace-Id",
        b"x-envoy-attempt-count", b"apikey", b"X-API-Key", b"X-Auth-Token", b"Referer", b"Origin", b"Via",
        b"X-Request-Id", b"X-Anything",
    ],
)  # fmt: skip
def test_b7_only_allowed_names_go_out(name: bytes) -> None:
    kept = (b"If-Match", b"x"), (b"user-agent", b"y"), (b"ACCEPT-Any", b"z"), (b"X-Mine", b"1")
    lines, dropped = _filter((name, b"v"), *kept)
    assert lines == [b"%b: %b" % field for field in kept]
    assert dropped == (name.lower(),)


def test_b7_what_is_never_sent_on_is_not_counted() -> None:
    lines, dropped = _filter((b"Cookie", b"a"), (b"Connection", b"if-match"), (b"If-Match", b"x"))
    assert (lines, dropped) == ([], ())


def test_a9_a_replaced_type_takes_the_encoding_with_it() -> None:
    encoded = (b"Content-Encoding", b"UTF-8")
    assert _filter(encoded, content_type=FORM)[0] == [b"Content-Type: " + FORM]
    assert _filter(encoded)[0] == [b"Content-Encoding: UTF-8"]
    assert not {b"host", b"authorization", b"connection"} - NEVER_SENT
