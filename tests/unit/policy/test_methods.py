"""Method overrides: one spelling is honoured, everything that looks like it is refused."""

import pytest

from gateway.consumers.consumer import Consumer, Emit
from gateway.errors import Refusal
from gateway.policy.addressing import resolve_address
from gateway.policy.methods import Call, emit_method, translate_method
from tests.support.judging import HOSTS, MESSAGES, consumer, head

_PLAIN = consumer()
_LEGACY = consumer(legacy=True)


def _translate(method: str, target: str, *fields: tuple[bytes, bytes], given: Consumer = _PLAIN) -> Call:
    inbound = head(method, target, *fields)
    return translate_method(inbound, resolve_address(HOSTS, inbound), given)


@pytest.mark.parametrize(
    ("query", "method", "left"),
    [
        ("", "POST", ""),
        ("_method=DELETE", "DELETE", ""),
        ("_method=put", "PUT", ""),
        ("_method=Delete&a=1", "DELETE", "a=1"),
        ("a=1&_method=DELETE&b=%5F", "DELETE", "a=1&b=%5F"),
        ("method=DELETE", "POST", "method=DELETE"),
        ("a=_method", "POST", "a=_method"),
        ("StatusCallbackMethod=POST&a_method=x", "POST", "StatusCallbackMethod=POST&a_method=x"),
        ("a=%26_method=DELETE", "POST", "a=%26_method=DELETE"),
        ("DateSent%3C=2020-01-01&&=", "POST", "DateSent%3C=2020-01-01&&="),
    ],
)
def test_the_documented_spelling(query: str, method: str, left: str) -> None:
    call = _translate("POST", f"{MESSAGES}?{query}" if query else MESSAGES)
    assert (call.method, call.query) == (method, left)


@pytest.mark.parametrize(
    "query",
    [
        "_method", "_method=", "_method=GET", "_method=POST", "_method=PATCH", "_method=%50UT",
        "_method=DELETE+", "_method=DELETE,PUT", "_method=DELETE&_method=DELETE", "_method=PUT&_method=",
        "_Method=DELETE", "_METHOD=DELETE", "_mEthod", "%5Fmethod=DELETE", "%5fmethod=DELETE",
        "_metho%64=DELETE", "%255Fmethod=DELETE", "_%256dethod=PUT", "_method%20=DELETE", "+_method=DELETE",
        "%20_method=DELETE", "_method+=DELETE", "_method[]=DELETE", "_method%5B%5D=DELETE", "_method[a]=PUT",
        "_method.=DELETE", ".method=DELETE", "-method=DELETE", "__method=DELETE", "_method_=DELETE",
        "a=1&_method=DELETE&%5Fmethod=PUT", "_method=DELETE&_Method=DELETE",
    ],
)  # fmt: skip
def test_look_alikes_in_the_query_are_refused(query: str) -> None:
    with pytest.raises(Refusal, match="method_override") as refusal:
        _translate("POST", f"{MESSAGES}?{query}")
    assert refusal.value.status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_the_override_goes_with_post_only(method: str) -> None:
    with pytest.raises(Refusal, match="method_override"):
        _translate(method, MESSAGES + "?_method=DELETE")


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"x-http-method", b"X-Method-Override"])
def test_override_fields(name: bytes) -> None:
    assert _translate("POST", MESSAGES, (name, b" delete "), given=_LEGACY).method == "DELETE"
    assert _translate("POST", MESSAGES, (name, b"PUT"), given=_LEGACY).method == "PUT"
    assert _translate("POST", MESSAGES, (name, b"POST")).method == "POST"
    assert _translate("GET", MESSAGES, (name, b"get")).method == "GET"
    with pytest.raises(Refusal, match="legacy"):
        _translate("POST", MESSAGES, (name, b"DELETE"))


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("POST", MESSAGES, [(b"X-HTTP-Method-Override", b"PATCH")]),
        ("POST", MESSAGES, [(b"X-HTTP-Method-Override", b"")]),
        ("GET", MESSAGES, [(b"X-HTTP-Method-Override", b"DELETE")]),
        ("PUT", MESSAGES, [(b"X-HTTP-Method-Override", b"DELETE")]),
        ("POST", MESSAGES, [(b"X-HTTP-Method-Override", b"PUT"), (b"X-HTTP-Method", b"DELETE")]),
        ("POST", MESSAGES + "?_method=PUT", [(b"X-HTTP-Method-Override", b"DELETE")]),
    ],
)
def test_ambiguous_fields_are_refused_for_legacy_consumers(
    method: str, target: str, fields: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(Refusal, match="method_override"):
        _translate(method, target, *fields, given=_LEGACY)


def test_field_and_query_may_say_the_same() -> None:
    fields = ((b"X-HTTP-Method-Override", b"DELETE"), (b"X-Method-Override", b"delete"))
    assert _translate("POST", MESSAGES + "?_method=DELETE", *fields, given=_LEGACY).method == "DELETE"


@pytest.mark.parametrize(
    ("emit", "method", "query", "expected"),
    [
        (Emit.NATIVE, "DELETE", "a=1", ("DELETE", "a=1")),
        (Emit.NATIVE, "POST", "", ("POST", "")),
        (Emit.POST, "DELETE", "", ("POST", "_method=DELETE")),
        (Emit.POST, "PUT", "a=1&b", ("POST", "a=1&b&_method=PUT")),
        (Emit.POST, "GET", "a=1", ("GET", "a=1")),
        (Emit.POST, "HEAD", "", ("HEAD", "")),
        (Emit.POST, "POST", "a=1", ("POST", "a=1")),
        (Emit.POST, "PATCH", "", ("PATCH", "")),
    ],
)
def test_emit(emit: Emit, method: str, query: str, expected: tuple[str, str]) -> None:
    call = _translate("GET", MESSAGES)._replace(method=method, query=query)
    assert emit_method(call, emit) == expected


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_emit_post_is_501_off_the_api_product(method: str) -> None:
    call = _translate(method, "/verify/v2/Services/VA1")
    with pytest.raises(Refusal, match="emit_unsupported") as refusal:
        emit_method(call, Emit.POST)
    assert refusal.value.status == 501


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("query", ["", "a=1", "a=1&b=%5F&c="])
def test_translate_and_emit_are_inverse(method: str, query: str) -> None:
    native = _translate(method, f"{MESSAGES}?{query}" if query else MESSAGES)
    sent, emitted = emit_method(native, Emit.POST)
    again = _translate(sent, f"{MESSAGES}?{emitted}")
    assert (again.method, again.query) == (method, query)
