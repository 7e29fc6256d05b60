"""Conversion for `convert: true`: flat JSON to a form, other charsets to UTF-8."""

import pytest

from gateway.errors import Refusal
from gateway.policy.body_conversion import (
    canonical_charset,
    form_from_json,
    is_ascii_form,
    transcode_form,
)


def _outcome(body: bytes) -> str:
    try:
        return f"made {form_from_json(body).decode()}"
    except Refusal as refusal:
        return refusal.slug


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b'{"a": {"b": 1}}', "bad_body"),
        (b'{"a": [[1]]}', "bad_body"),
        (b'{"a": [{}]}', "bad_body"),
        (b"[1]", "bad_body"),
        (b'"a"', "bad_body"),
        (b'{"a": 1, "a": 2}', "bad_body"),
        (b'{"a": NaN}', "bad_body"),
        (b'{"a": "\\ud800"}', "bad_body"),
        (b'{"a": "\xff"}', "bad_body"),
        (b"{", "bad_body"),
        (b"{}", "made "),
        (b'{"a": []}', "made "),
        (b'{"a": "", "": "b"}', "made a=&=b"),
        (
            b'{"a": 1e400, "b": -0.10, "c": 12345678901234567890}',
            "made a=1e400&b=-0.10&c=12345678901234567890",
        ),
        ('{"ü": "😀+/"}'.encode(), "made %C3%BC=%F0%9F%98%80%2B%2F"),
    ],
)
def test_json_made_a_form(body: bytes, slug: str) -> None:
    assert _outcome(body) == slug


@pytest.mark.parametrize(
    ("body", "charset", "made"),
    [
        (b"a=\xe9&b=%E9", "latin_1", b"a=%C3%A9&b=%C3%A9"),
        (b"a=1&a=2&c=", "cp1252", b"a=1&a=2&c="),
        ("a=ж".encode("koi8_r"), "koi8_r", b"a=%D0%B6"),
    ],
)
def test_a_form_is_transcoded(body: bytes, charset: str, made: bytes) -> None:
    assert transcode_form(body, charset) == made


def test_bytes_outside_the_declared_charset_are_refused() -> None:
    with pytest.raises(Refusal, match="bad_body"):
        transcode_form(b"a=\x81\xff", "shift_jis")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("", ""),
        ("UTF-8", "utf_8"),
        ("utf8", "utf_8"),
        ("ISO-8859-1", "latin_1"),
        ("us-ascii", "ascii"),
        ("idna", None),
        ("rot13", None),
        ("no such charset", None),
    ],
)
def test_charsets_are_known_by_their_names(name: str, known: str | None) -> None:
    assert canonical_charset(name) == known


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b",".join([b"1"] * 500_000) + b"]}",
        b'{"a": [' + b",".join([b"1"] * 4_000) + b"]}",
        b'{"a": "' + b"x" * 200_000 + b'"}',
        b"{" + b",".join(b'"k%d": 1' % index for index in range(3_000)) + b"}",
    ],
    ids=["values", "fewer values", "text", "names"],
)
def test_c5_json_is_bounded_before_it_is_converted(body: bytes) -> None:
    assert _outcome(body) in ("body_too_large", "bad_body")


@pytest.mark.parametrize(
    "body",
    [b"a=" + b"%E9" * 50_000, b"&".join([b"a=1"] * 3_000), b"a=" + b"\xe9" * 200_000],
    ids=["escapes", "fields", "bytes"],
)
def test_c5_a_form_is_bounded_before_it_is_transcoded(body: bytes) -> None:
    with pytest.raises(Refusal, match=r"body_too_large|bad_body"):
        transcode_form(body, "latin_1")


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        (b"a=b%2Bc&d=%7F", "latin_1", True),
        (b"a=b%2Bc", "cp1252", True),
        (b"a=b%2Bc", "gbk", True),
        (b"a=%E9", "latin_1", False),
        (b"a=\xe9", "latin_1", False),
        (b"a=b", "shift_jis", False),
        (b"a=b", "iso2022_jp", False),
    ],
)
def test_a9_ascii_reads_the_same_in_both_charsets(body: bytes, charset: str, expected: bool) -> None:
    assert is_ascii_form(body, charset) == expected
