"""Fingerprints of bodies: equal for what asks Twilio for the same, different for all else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.bodies import FORM_TYPE, Body, BodyFormat
from gateway.policy.body_fingerprint import fingerprint_body, fingerprint_bytes

JSON_TYPE = b"application/json"


def form(data: bytes) -> str:
    return fingerprint_body(Body(data, BodyFormat.FORM), FORM_TYPE)


def part(name: str, content: bytes, *, extra: str = "", media_type: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{extra}\r\n'
    if media_type:
        head += f"Content-Type: {media_type}\r\n"
    return head.encode() + b"\r\n" + content


def multipart(*parts: bytes, boundary: str = "xxx", content_type: str = "multipart/form-data") -> str:
    line = b"--" + boundary.encode()
    data = b"".join(line + b"\r\n" + each + b"\r\n" for each in parts) + line + b"--\r\n"
    return fingerprint_body(
        Body(data, BodyFormat.MULTIPART, boundary), f"{content_type}; boundary={boundary}".encode()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"To=%2B1&Body=a+b", b"To=%2b1&Body=a%20b"),
        (b"To=1&Body=%41", b"To=1&Body=A"),
        (b"To=1", b"To=1&"),
    ],
    ids=["escapes", "escaped_letters", "trailing_separator"],
)
def test_forms_that_say_the_same(one: bytes, other: bytes) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"To=1&Body=a", b"Body=a&To=1"),
        (b"To=1&Body=a", b"To=1&Body=b"),
        (b"To=1&Body=a", b"To=1&Body=a&Body=a"),
        (b"a=b%26c%3Dd", b"a=b&c=d"),
        (b"ab=c", b"a=bc"),
        (b"a=", b"=a"),
        (b"\xff=1", b"\xfe=1"),
    ],
    ids=["order", "value", "repeat", "escaped_separators", "lengths", "sides", "unreadable"],
)
def test_forms_that_differ(one: bytes, other: bytes) -> None:
    assert form(one) != form(other)


TO = part("To", b"+1")
FILE = part("Media", b"\x89PNG\x00\xff", extra='; filename="a.png"', media_type="image/png")


def test_a_boundary_and_parameters_of_types_do_not_count() -> None:
    """A client that sends a FormData again makes another boundary."""
    again = part("Media", b"\x89PNG\x00\xff", extra='; filename="a.png"', media_type="Image/PNG; q=1")
    assert multipart(TO, FILE) == multipart(TO, again, boundary="yyy", content_type="Multipart/Form-Data")


@pytest.mark.parametrize(
    "parts",
    [
        (FILE, TO),
        (TO,),
        (TO, part("Media", b"\x89PNG\x00\xfe", extra='; filename="a.png"', media_type="image/png")),
        (TO, part("Media", b"\x89PNG\x00\xff", extra='; filename="b.png"', media_type="image/png")),
        (TO, part("Media", b"\x89PNG\x00\xff", extra="", media_type="image/png")),
        (TO, part("Media", b"\x89PNG\x00\xff", extra='; filename=""', media_type="image/png")),
        (TO, part("Media", b"\x89PNG\x00\xff", extra='; filename="a.png"', media_type="image/gif")),
        (TO, part("Medium", b"\x89PNG\x00\xff", extra='; filename="a.png"', media_type="image/png")),
    ],
    ids=["order", "fewer", "bytes", "file_name", "no_file_name", "empty_file_name", "type", "name"],
)
def test_multipart_bodies_that_differ(parts: tuple[bytes, ...]) -> None:
    assert multipart(*parts) != multipart(TO, FILE)


def test_a_form_is_no_multipart_and_no_json() -> None:
    assert len({
        form(b"To=%2B1"), multipart(TO),
        fingerprint_body(Body(b"To=%2B1", BodyFormat.RAW), FORM_TYPE),
        fingerprint_body(Body(b"To=%2B1", BodyFormat.RAW), b"text/plain"),
    }) == 4  # fmt: skip


def test_other_bodies_are_compared_byte_for_byte() -> None:
    one = fingerprint_body(Body(b'{"a":1}', BodyFormat.JSON), JSON_TYPE)
    assert one == fingerprint_body(Body(b'{"a":1}', BodyFormat.JSON), JSON_TYPE + b"; charset=utf-8")
    assert one != fingerprint_body(Body(b'{"a": 1}', BodyFormat.JSON), JSON_TYPE)


def test_the_versions_cannot_be_taken_for_each_other() -> None:
    body = Body(b"To=1", BodyFormat.FORM)
    assert fingerprint_body(body, FORM_TYPE).startswith("2:")
    assert ":" not in fingerprint_bytes(body, FORM_TYPE)


@given(st.binary(max_size=60), st.sampled_from(BodyFormat))
def test_any_bytes_have_a_fingerprint(data: bytes, shape: BodyFormat) -> None:
    """Always the same one, and another one for other bytes of no known form."""
    body = Body(data, shape, "xxx")
    assert fingerprint_body(body, JSON_TYPE) == fingerprint_body(body, JSON_TYPE)
    if shape is BodyFormat.RAW:
        assert fingerprint_body(body, JSON_TYPE) != fingerprint_body(
            Body(data + b"x", shape, "xxx"), JSON_TYPE
        )
