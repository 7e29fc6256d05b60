"""Content types: route body kind x declared type x conversion x charset x encoding."""

import time

import pytest

from gateway.errors import Refusal
from gateway.policy.bodies import NO_BODY, Body, BodyFormat, BodyLimits, finish_body, require_body_kind
from gateway.twilio.catalogue import BodyKind, Route
from tests.support.judging import FORM, consumer, head

_PLAIN, _CONVERTING = consumer(), consumer(convert=True)
_LIMITS = BodyLimits(1000, 5000)
_URLENCODED = b"To=%2B1&Body=a+b"
_JSON = b'{"To": "+1", "n": [1, 2.50], "yes": true, "no": null, "s": "a b&c"}'
_FROM_JSON = b"To=%2B1&n=1&n=2.50&yes=true&s=a+b%26c"
_MULTIPART = b"--B0\r\n\r\n--B0--"


def _route(kind: BodyKind) -> Route:
    return Route("api", "POST", "/x", "/x", kind, known=True, instance=False)


def _take(kind: BodyKind, body: bytes, *fields: tuple[bytes, bytes], convert: bool = False) -> Body:
    given = _CONVERTING if convert else _PLAIN
    inbound = head("POST", "/2010-04-01/x", *fields, body=body)
    return finish_body(require_body_kind(_route(kind), given, inbound, _LIMITS), body)


def _outcome(kind: BodyKind, content_type: str | None, body: bytes, *, convert: bool) -> str:
    """'kept SHAPE', 'made DATA' or the slug of the refusal."""
    fields = () if content_type is None else ((b"Content-Type", content_type.encode()),)
    try:
        taken = _take(kind, body, *fields, convert=convert)
    except Refusal as refusal:
        return refusal.slug
    if taken.content_type is None:
        assert taken.data == body
        return f"kept {taken.shape.value}"
    assert (taken.shape, taken.content_type) == (BodyFormat.FORM, FORM)
    return f"made {taken.data.decode()}"


_F, _J, _FJ = BodyKind.FORM, BodyKind.JSON, BodyKind.FORM_OR_JSON
_FILLED = f"made {_URLENCODED.decode()}"
_MADE = f"made {_FROM_JSON.decode()}"
_NO = "content_type"


def _always(outcome: str) -> dict[tuple[BodyKind, bool], str]:
    return dict.fromkeys([(_F, False), (_F, True), (_FJ, False), (_FJ, True)], outcome)


def _converted(outcome: str) -> dict[tuple[BodyKind, bool], str]:
    return dict.fromkeys([(_F, True), (_FJ, True)], outcome)


_TYPED: list[tuple[str | None, bytes, dict[tuple[BodyKind, bool], str]]] = [
    # What each route makes of it: (kind, convert) -> outcome; where a pair is left out, 415.
    (FORM.decode(), _URLENCODED, _always("kept form")),
    ("Application/X-WWW-Form-URLEncoded; Charset=\"UTF-8\"", _URLENCODED,
     _always("kept form")),
    (FORM.decode() + ";charset=us-ascii;", _URLENCODED,
     _always("kept form")),
    (FORM.decode() + "; charset=ISO-8859-1", b"a=%E9&b=\xfc", _converted("made a=%C3%A9&b=%C3%BC")),
    (FORM.decode() + "; charset=windows-1252", b"a=%80&&b", _converted("made a=%E2%82%AC&b=")),
    (FORM.decode() + "; charset=shift_jis", b"a=%ff", _converted("bad_body")),
    (FORM.decode() + "; charset=utf-16", _URLENCODED, {}),
    (FORM.decode() + "; charset=idna", _URLENCODED, {}),
    (FORM.decode() + "; charset=zlib", _URLENCODED, {}),
    (FORM.decode() + "; charset=no-such", _URLENCODED, {}),
    (FORM.decode() + "; charset=utf-8; charset=utf-16", _URLENCODED, {}),
    (FORM.decode() + ", application/json", _URLENCODED, {}),
    ("multipart/form-data; boundary=B0", _MULTIPART,
     _always("kept multipart")),
    ('multipart/form-data; charset=ISO-8859-1; boundary="B0"', _MULTIPART,
     _always("kept multipart")),
    ("multipart/form-data", _MULTIPART, {}),
    ("multipart/form-data; boundary=B0; boundary=B1", _MULTIPART, {}),
    ("multipart/form-data; boundary=" + "B" * 71, _MULTIPART, {}),
    ('multipart/form-data; boundary="B0 "', _MULTIPART, {}),
    ("multipart/form-data; boundary=B0; charset=utf-16", _MULTIPART, {}),
    ("multipart/mixed; boundary=B0", _MULTIPART, {}),
    ("application/json", _JSON, {(_J, False): "kept json", (_J, True): "kept json", (_FJ, False): "kept json",
                                 (_FJ, True): "kept json", (_F, True): _MADE}),
    ("application/scim+json; charset=UTF-8", _JSON,
     {(_J, False): "kept json", (_J, True): "kept json", (_FJ, False): "kept json", (_FJ, True): "kept json",
      (_F, True): _MADE}),
    ("application/json; charset=utf-16", _JSON, {}),
    ("application/jsonp", _JSON, {}),
    ("text/json", _JSON, {}),
    ("text/plain", _URLENCODED, {}),
    ("*/*", _URLENCODED, {}),
    (None, _URLENCODED, _always(_FILLED)),
    ("", _URLENCODED, _always(_FILLED)),
    (None, _JSON, {}),
    (None, b'{"a":"b=c"}', {}),
    (None, b"plain", {}),
    (None, b"a=\xff", {}),
]  # fmt: skip


@pytest.mark.parametrize("convert", [False, True], ids=["", "convert"])
@pytest.mark.parametrize("kind", [_F, _J, _FJ], ids=lambda kind: kind.value)
@pytest.mark.parametrize(("content_type", "body", "outcomes"), _TYPED, ids=lambda value: repr(value)[:70])
def test_matrix(
    content_type: str | None,
    body: bytes,
    outcomes: dict[tuple[BodyKind, bool], str],
    kind: BodyKind,
    convert: bool,
) -> None:
    assert _outcome(kind, content_type, body, convert=convert) == outcomes.get((kind, convert), _NO)


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (_F, "application/x-www-form-urlencoded, multipart/form-data"),
        (_J, "application/json"),
        (_FJ, "application/x-www-form-urlencoded, multipart/form-data, application/json"),
    ],
)
def test_a_415_says_what_is_accepted(kind: BodyKind, accepted: str) -> None:
    with pytest.raises(Refusal) as refusal:
        _take(kind, b"<a/>", (b"Content-Type", b"text/xml"))
    assert refusal.value.status == 415
    assert refusal.value.headers == (("Accept-Post", accepted),)
    assert accepted.replace(", ", " or ") in refusal.value.detail


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"identity, gzip", b"x"])
@pytest.mark.parametrize("kind", [_F, _J, _FJ])
def test_an_encoded_body_is_415(kind: BodyKind, encoding: bytes) -> None:
    content_type = (b"Content-Type", b"application/json" if kind is _J else FORM)
    with pytest.raises(Refusal, match="content_type"):
        _take(kind, b"a=1", content_type, (b"Content-Encoding", encoding), convert=True)
    assert _take(kind, b"a=1", content_type, (b"Content-Encoding", b"Identity")).data == b"a=1"


@pytest.mark.parametrize(("content_type", "closes"), [(b"text/plain", False), (b"application/json", False)])
def test_a_declared_body_of_a_wrong_type_is_refused_by_the_head_alone(
    content_type: bytes, closes: bool
) -> None:
    inbound = head("POST", "/2010-04-01/x", (b"Content-Type", content_type), body=b"a=1")
    with pytest.raises(Refusal, match="content_type") as refusal:
        require_body_kind(_route(_F), _PLAIN, inbound, _LIMITS)
    assert refusal.value.closes == closes


def test_a_chunked_body_of_a_wrong_type_is_refused_unless_it_is_empty() -> None:
    fields = ((b"Content-Type", b"text/plain"), (b"Transfer-Encoding", b"chunked"))
    plan = require_body_kind(_route(_F), _PLAIN, head("POST", "/2010-04-01/x", *fields), _LIMITS)
    assert finish_body(plan, b"") is NO_BODY
    with pytest.raises(Refusal, match="content_type"):
        finish_body(plan, b"a=1")


@pytest.mark.parametrize("kind", list(BodyKind))
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_without_a_body_the_type_is_not_looked_at(kind: BodyKind, method: str) -> None:
    inbound = head(method, "/2010-04-01/x", (b"Content-Type", b"nonsense"), (b"Content-Encoding", b"gzip"))
    plan = require_body_kind(_route(kind), _PLAIN, inbound, _LIMITS)
    assert (plan.shape, plan.stream) == (BodyFormat.NONE, False)
    assert finish_body(plan, b"") is NO_BODY


@pytest.mark.parametrize("content_type", [b"image/png", b"", b"application/json", b"multipart/form-data"])
def test_uploads_of_any_type_are_streamed(content_type: bytes) -> None:
    inbound = head("POST", "/x", (b"Content-Type", content_type), (b"Content-Length", b"5000"))
    plan = require_body_kind(_route(BodyKind.ANY), _PLAIN, inbound, _LIMITS)
    assert (plan.shape, plan.stream, plan.limit) == (BodyFormat.RAW, True, 5000)


@pytest.mark.parametrize(("kind", "limit"), [(_F, 1000), (_J, 1000), (_FJ, 1000), (BodyKind.ANY, 5000)])
def test_a_declared_length_over_the_limit_is_413_at_once(kind: BodyKind, limit: int) -> None:
    fields = ((b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % (limit + 1)))
    with pytest.raises(Refusal, match="body_too_large") as refusal:
        require_body_kind(_route(kind), _PLAIN, head("POST", "/x", *fields), _LIMITS)
    assert (refusal.value.status, refusal.value.closes) == (413, True)
    assert str(limit) in refusal.value.detail


def test_an_untyped_body_is_recognised_in_linear_time() -> None:
    began = time.process_time()
    with pytest.raises(Refusal, match="content_type"):
        finish_body(
            require_body_kind(_route(_F), _PLAIN, head("POST", "/x", body=b"="), _LIMITS),
            b"=" * 300_000 + b" ",
        )
    assert time.process_time() - began < 1  # a backtracking pattern took hours


def test_repr_shows_no_body() -> None:
    assert repr(Body(b"canary", BodyFormat.FORM)) == "Body(BodyFormat.FORM, 6 bytes)"


_ISO, _PLAIN_FORM = "application/x-www-form-urlencoded; charset=ISO-8859-1", b"To=%2B1&Body=a+b"


@pytest.mark.parametrize(
    ("content_type", "encoding", "body", "plain", "converting"),
    [
        (_ISO, None, _PLAIN_FORM, "kept", "kept"),
        ("application/x-www-form-urlencoded; charset=windows-1252", None, _PLAIN_FORM, "kept", "kept"),
        (_ISO, None, b"Body=%E9", "content_type", "Body=%C3%A9"),
        (_ISO, None, b"Body=\xe9", "content_type", "Body=%C3%A9"),
        (FORM.decode() + "; UTF-8", None, _PLAIN_FORM, "content_type", "mended"),
        (FORM.decode() + "; charset: utf-8", None, _PLAIN_FORM, "content_type", "mended"),
        (FORM.decode() + "; ISO-8859-1", None, b"Body=%E9", "content_type", "Body=%C3%A9"),
        (FORM.decode() + "; nonsense", None, _PLAIN_FORM, "content_type", "content_type"),
        (FORM.decode(), "UTF-8", _PLAIN_FORM, "content_type", "mended"),
        (FORM.decode(), "ISO-8859-1", b"Body=%E9", "content_type", "Body=%C3%A9"),
        (FORM.decode(), "gzip", _PLAIN_FORM, "content_type", "content_type"),
        ("application/json; utf-8", None, b'{"To": "+1"}', "content_type", "To=%2B1"),
        ("application/json; charset=ISO-8859-1", None, b'{"To": "+1"}', "content_type", "To=%2B1"),
        ("application/json", "UTF-8", b'{"To": "+1"}', "content_type", "To=%2B1"),
    ],
)
def test_a9_charsets_as_clients_declare_them(
    content_type: str, encoding: str | None, body: bytes, plain: str, converting: str
) -> None:
    fields = [(b"Content-Type", content_type.encode())]
    if encoding is not None:
        fields.append((b"Content-Encoding", encoding.encode()))
    for convert, expected in ((False, plain), (True, converting)):
        if expected == "content_type":
            with pytest.raises(Refusal, match=expected):
                _take(_F, body, *fields, convert=convert)
            continue
        taken = _take(_F, body, *fields, convert=convert)
        if expected in ("kept", "mended"):
            assert taken.data == body
            assert taken.content_type == (None if expected == "kept" else FORM)
        else:
            assert (taken.data.decode(), taken.content_type) == (expected, FORM)


@pytest.mark.parametrize(
    ("content_type", "body", "slug"),
    [
        ("application/json; charset=ISO-8859-1", b'{"a": "b"}', ""),
        ("application/json; charset=ISO-8859-1", b'{"a": "\xe9"}', "content_type"),
        ("application/json; utf-8", b'{"a": "b"}', "content_type"),
    ],
)
def test_a9_json_routes(content_type: str, body: bytes, slug: str) -> None:
    field = (b"Content-Type", content_type.encode())
    if slug:
        with pytest.raises(Refusal, match=slug):
            _take(_J, body, field)
    else:
        assert _take(_J, body, field).data == body


def test_c5_json_to_be_converted_is_refused_by_its_length() -> None:
    limits = BodyLimits(1 << 20, 1 << 20)
    body = b'{"a": "' + b"x" * 200_000 + b'"}'
    inbound = head("POST", "/2010-04-01/x", (b"Content-Type", b"application/json"), body=body)
    with pytest.raises(Refusal, match="body_too_large"):
        require_body_kind(_route(_F), _CONVERTING, inbound, limits)
