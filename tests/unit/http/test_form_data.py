"""Reading parameters for judging: every repeat, every lenient reader's view, or `Unreadable`."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.form_data import (
    Fields,
    Unreadable,
    is_suspect_form,
    is_suspect_json,
    read_json,
    read_multipart,
    read_semicolons,
    read_urlencoded,
)


def part(name: str, value: str, *more: str, disposition: str = "") -> str:
    """A part of a multipart body with the boundary B0."""
    head = disposition or f'form-data; name="{name}"'
    lines = ["--B0", f"Content-Disposition: {head}", *more, "", value]
    return "\r\n".join(lines) + "\r\n"


def _multipart(*parts: str, end: str = "--B0--\r\n") -> Fields:
    return read_multipart(("".join(parts) + end).encode(), "B0")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"To=%2B1&To=%2B2", [("To", "+1"), ("To", "+2")]),
        (b"Body=a+b%20c&Empty=&Bare", [("Body", "a b c"), ("Empty", ""), ("Bare", "")]),
        (b"%54o=1", [("To", "1")]),
        ("Body=Grüße".encode(), [("Body", "Grüße")]),
        (b"Body=a%3Bb", [("Body", "a;b")]),
        (b"Body=a;To=b", [("Body", "a;To=b")]),
    ],
)
def test_urlencoded(body: bytes, expected: Fields) -> None:
    assert read_urlencoded(body) == expected


# All that the short way through a form must look out for: separators, escapes of them, halves of characters.
_PIECES = st.sampled_from(
    [
        "&",
        "=",
        "+",
        "%26",
        "%3D",
        "%3d",
        "%25",
        "%0A",
        "%2B",
        "\n",
        "\r",
        "%",
        "%%26",
        "%C3",
        "%A9",
        "%c3%a9",
        "\u00e9",
        "%ff",
        "To",
        "2",
        "6",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join))
@example("To=%2B1&From%3D=%26")
@example("%%2626=a&b%=%")
@example("a=2B=&%\n=b%2B")
@example("a=%\rxx\n%2B%2")
def test_urlencoded_is_what_the_library_reads(text: str) -> None:
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(Unreadable):
            read_urlencoded(text.encode())
        return
    assert read_urlencoded(text.encode()) == expected


@pytest.mark.parametrize("body", [b"To=\xff", b"To=%ff", b"&".join([b"a=1"] * 10_001)], ids=len)
def test_unreadable_forms(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_urlencoded(body)


def test_multipart_gives_every_part() -> None:
    assert _multipart(
        part("To", "+1"),
        part("To", "+2"),
        part("Body", "Grüße\r\nzwei", "Content-Type: text/plain; charset=ISO-8859-1"),
        part("x", "", "Content-Transfer-Encoding: 8bit", "Content-Length: 0"),
        part("", "content", disposition='form-data; name="File"; filename="a\\b.txt"'),
    ) == [("To", "+1"), ("To", "+2"), ("Body", "Grüße\r\nzwei"), ("x", ""), ("File", "content")]


@pytest.mark.parametrize(
    "parts",
    [
        [part("", "+1", disposition='form-data; name="Body"; name="To"')],
        [part("", "+1", disposition="form-data; name=\"Body\"; name*=UTF-8''To")],
        [part("", "+1", disposition='form-data; name="T\\o"')],
        [part("", "+1", disposition='form-data; name="%54o"')],
        [part("", "+1", disposition='form-data; name="a\\"; x="; name="To"')],
        [part("", "+1", disposition="form-data")],
        [part("", "+1", disposition='attachment; name="To"')],
        [part("Body", "a", 'Content-Disposition: form-data; name="To"')],
        [part("To", "KzE=", "Content-Transfer-Encoding: base64")],
        [part("To", "+1", "Content-Type: text/plain; charset=utf-16")],
        [part("To", "+1", "Content-Type: text/plain; charset=utf-7")],
        [part("To", "+1", "Content-Type: text/plain; charset=utf-8; charset=utf-16")],
        [part("Body", "a\r\n--B0 \r\nContent-Disposition: form-data; name=To\r\n\r\n+1")],
        [part("Body", "a\n--B0\nContent-Disposition: form-data; name=To\n\n+1")],
        [part("Body", "a\r\n--B0x")],
        ["preamble\r\n", part("Body", "a"), "--B0--\r\n--B0\r\n"],
        [part("Body", "a").replace("\r\n", "\n")],
        ['--B0\r\nContent-Disposition: form-data;\r\n name="To"\r\n\r\n+1\r\n'],
    ],
    ids=lambda parts: repr(parts[0])[:90],
)
def test_multipart_that_reads_two_ways_is_unreadable(parts: list[str]) -> None:
    with pytest.raises(Unreadable):
        _multipart(*parts)


@pytest.mark.parametrize("end", ["", "--B0", "--B0\r\n", "--B0--\r\n--B0--\r\n"])
def test_multipart_must_end_once(end: str) -> None:
    with pytest.raises(Unreadable):
        _multipart(part("To", "+1"), end=end)


def test_b4_json_gives_every_scalar_with_the_path_to_it() -> None:
    body = b'{"to": ["+1", {"from": "+2"}], "a": {"b": {"url": "u"}}, "n": 1.50, "t": true, "z": null}'
    assert read_json(body) == [
        ("to", "+1"), ("to.from", "+2"), ("a.b.url", "u"), ("n", "1.50"), ("t", "true"),
    ]  # fmt: skip
    assert read_json(b'\xef\xbb\xbf["a"]') == [("", "a")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"to": 1, "to": 2}',
        b'{"a": {"\\u0074o": 1, "to": 2}}',
        b"{",
        b"",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": 1}x',
        b'{"a": "\xff"}',
        '{"AccountSid": "x"}'.encode("utf-16"),
        '{"AccountSid": "x"}'.encode("utf-16-le"),
        b"[" * 100_000,
        b"[" * 40 + b"1" + b"]" * 40,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_unreadable_json(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(body)


@pytest.mark.parametrize(
    ("body", "is_json", "suspect"),
    [
        (b"To=%2B1&From=%2B2&Body=hello+account_method", False, False),
        (b"Body=x;y", False, False),
        (b"_method=DELETE", False, True),
        (b"Body=a&%5Fmethod=DELETE", False, True),
        (b"Body=a;_method=DELETE", False, True),
        (b"Body=a;%5Fmethod=DELETE", False, True),
        (b"AccountSid=AC1", False, True),
        (b"Body=a;AccountSid=AC1", False, True),
        (b"a=1&targetaccountsid=AC1", False, True),
        (b"Status.Callback=x", False, True),
        (b'{"to": "+1"}', True, False),
        (b'{"ACCOUNT_sid": "AC1"}', True, True),
        (b'{"\\u0061ccount": "AC1"}', True, True),
        ('{"account_sid": "AC1"}'.encode("utf-16-le"), True, True),
    ],
)
def test_suspects(body: bytes, is_json: bool, suspect: bool) -> None:
    assert (is_suspect_json if is_json else is_suspect_form)(body) == suspect


def test_c5_a_long_form_is_not_read_twice() -> None:
    with pytest.raises(Unreadable, match="%3B"):
        read_semicolons(b"Body=a;b" + b"x" * 140_000)
    assert read_semicolons(b"Body=a;b=c" + b"x" * 100_000)[1] == ("b", "c" + "x" * 100_000)
