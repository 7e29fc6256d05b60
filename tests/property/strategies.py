"""Bytes and texts as odd and old clients make them: mostly plausible, sometimes anything."""

from hypothesis import strategies as st

from tests.support.judging import FOREIGN, KEY, MESSAGES, OWN, SUB, TOKEN

_PIECES = st.sampled_from(
    [
        "/", "//", ".", "..", "/../", "%2e", "%2F", "%5Fmethod", "_method=DELETE", "?", "&", "=", "#",
        ";", "%",
        "%41", "%00", "%c0%ae", "%F0%9F%98%80", "%2B1500", "@", "\\", "2010-04-01", "/api", "/verify/v2",
        "Accounts",
        OWN, SUB, FOREIGN, "AC" + "0" * 32, MESSAGES, "Keys", ".json", "http://", "https://",
        "api.twilio.com",
        "gateway.internal:8080", "mcs.us1.twilio.com", ":443", "DateSent<", "<", " ", "\r\n", "\x7f",
        "é", "\udc80",
    ]
)  # fmt: skip
_CANONICAL = st.sampled_from(
    [
        "v2",
        "Services",
        "a.b..c",
        "%2B1500",
        "%F0%9F%98%80",
        "x%20y",
        "auth0|1",
        "@a:b",
        "~-_!$&'()*+,=",
        OWN,
        FOREIGN,
        KEY.decode(),
    ]
)

targets = st.one_of(
    st.lists(_CANONICAL, min_size=1).map(lambda parts: "/" + "/".join(parts)),
    st.builds(
        lambda path, query: f"/verify/{path}?{query}",
        _CANONICAL,
        st.from_regex(r"[!$&-:<-~]*", fullmatch=True),
    ),
    st.lists(_PIECES).map("".join),
    st.lists(_PIECES).map(lambda pieces: "/" + "".join(pieces)),
    st.text(),
)
"""Request targets, about half of them canonical."""

methods = st.sampled_from(["POST"] * 3 + ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "get", ""])
versions = st.sampled_from([(1, 1)] * 6 + [(1, 0), (0, 9), (2, 0)])

_NAMES = st.sampled_from(
    [
        b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Content-Encoding",
        b"Connection",
        b"Authorization", b"Proxy-Authorization", b"Expect", b"Upgrade", b"X-HTTP-Method-Override",
        b"X-Any",
        b"X-Forwarded-For", b"Cookie", b"Content_Length", b"Accept-Encoding", b"Idempotency-Key", b"x-any",
    ]
)  # fmt: skip
_VALUES = st.sampled_from(
    [
        b"gateway.internal:8080", b"api.twilio.com", b"evil.example", b"0", b"3", b"-1", b"chunked",
        b"gzip, chunked",
        b"application/x-www-form-urlencoded", b"application/json; charset=utf-16",
        b"multipart/form-data; boundary=B0",
        b"Basic " + TOKEN, b"Bearer " + KEY, KEY, b"100-continue", b"upgrade, content-type",
        b"close, x-any", b"DELETE",
        b"identity", b"gzip", b"", b"a\r\nb",
    ]
)  # fmt: skip
_HARMLESS = st.sampled_from(
    [
        (b"Accept", b"*/*"),
        (b"x-any", b"1"),
        (b"X-Any", b"2"),
        (b"X-Forwarded-For", b"10.0.0.1"),
        (b"Connection", b"close, x-any, authorization"),
        (b"X-Api-Key", KEY),
        (b"X-Authorization", b"Basic " + TOKEN),
        (b"Accept-Encoding", b"gzip"),
    ]
)
fields = st.one_of(
    st.lists(_HARMLESS, max_size=5),
    st.lists(_HARMLESS, max_size=5).map(lambda some: [(b"Host", b"gateway.internal:8080"), *some]),
    st.lists(
        st.tuples(
            st.one_of(_NAMES, _NAMES, st.binary(max_size=8)),
            st.one_of(_VALUES, _VALUES, st.binary(max_size=12)),
        )
    ),
).map(tuple)
"""Header fields; mostly those that decide something."""

_BODY_PIECES = st.sampled_from(
    [
        b"To=", b"From=", b"%2B1500", b"&", b";", b"=", b"_method=DELETE", b"%5Fmethod", b"AccountSid=",
        b"Url=",
        FOREIGN.encode(), OWN.encode(), b"https://evil.example/", b"https://hooks.example.com/", b"%",
        b"%ff", b"\xff",
        b'{"', b'": ', b'"}', b"[", b"]", b"null", b"1e999", b"\\u0061", b"\x00", b"\xff\xfe", b"--B0",
        b"--B0--",
        b"\r\n", b"\n", b'Content-Disposition: form-data; name="To"', b"; name=From", b"\r\n\r\n",
        b"+1500", KEY, b" ",
    ]
)  # fmt: skip
bodies = st.one_of(
    st.just(b'{"a": "\\ud800"}'), st.lists(_BODY_PIECES, max_size=20).map(b"".join), st.binary(max_size=200)
)
"""Request bodies, of every kind half-way."""

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(
        [
            "https://verify.twilio.com/v2",
            "https://evil.example/",
            'a "url": "https://sync.twilio.com/v1" \\',
            "{[,:]}",
        ]
    ),
)
_KEYS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["url", "links", "meta", "next_page_url", "items", "auth_token", "secondary_auth_token", "sid"]
    ),
)


def _nest(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=4))


documents: st.SearchStrategy[object] = st.recursive(_SCALARS, _nest, max_leaves=30)
"""JSON values that look like Twilio's answers."""
