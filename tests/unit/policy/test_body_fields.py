"""One reader for every body format; none of them may pass unread."""

import pytest

from gateway.http.form_data import Unreadable
from gateway.policy.bodies import NO_BODY, Body, BodyFormat
from gateway.policy.body_fields import must_be_read, read_body_fields
from tests.support.multiparts import multipart

_READABLE = {
    BodyFormat.NONE: NO_BODY,
    BodyFormat.FORM: Body(b"To=%2B1", BodyFormat.FORM),
    BodyFormat.MULTIPART: Body(multipart("To=+1", boundary="B0")[0], BodyFormat.MULTIPART, "B0"),
    BodyFormat.JSON: Body(b'{"To": "+1"}', BodyFormat.JSON),
}


@pytest.mark.parametrize("shape", BodyFormat, ids=lambda shape: shape.value)
def test_every_format_is_read_or_refused(shape: BodyFormat) -> None:
    body = _READABLE.get(shape, Body(b"To=%2B1", shape))
    if shape not in _READABLE:
        with pytest.raises(Unreadable):
            read_body_fields(body)
        assert must_be_read(body)
        return
    fields, others, is_json = read_body_fields(body)
    assert fields == ([] if shape is BodyFormat.NONE else [("To", "+1")])
    assert (others, is_json) == ([], shape is BodyFormat.JSON)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (NO_BODY, False),
        (Body(b"To=%2B1&Body=a", BodyFormat.FORM), False),
        (Body(b"AccountSid=AC", BodyFormat.FORM), True),
        (Body(b"a_b=1", BodyFormat.FORM), True),
        (Body(b'{"to": "+1"}', BodyFormat.JSON), False),
        (Body(b'{"account": "AC"}', BodyFormat.JSON), True),
        (Body(b"--B0--", BodyFormat.MULTIPART, "B0"), True),
    ],
)
def test_what_must_be_read_without_form_rules(body: Body, expected: bool) -> None:
    assert must_be_read(body) is expected


def test_semicolons_are_read_as_separators_too() -> None:
    fields, others, _ = read_body_fields(Body(b"Body=a;To=%2B1", BodyFormat.FORM))
    assert (fields, others) == ([("Body", "a;To=+1")], [("Body", "a"), ("To", "+1")])
