"""The one place that turns a buffered body into the fields that rules are checked against.

Form rules and limits per destination both read a body through here. Each body format is named, and the match
ends with `assert_never`: a new format cannot pass unread.
"""

from typing import NamedTuple, assert_never

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
from gateway.policy.bodies import Body, BodyFormat


class BodyFields(NamedTuple):
    """`fields` as Twilio reads them; `others` as a reader would that takes ";" for a separator, too.

    Names of JSON are paths (`a.b`).
    """

    fields: Fields
    others: Fields
    is_json: bool


_NOTHING = BodyFields([], [], False)


def read_body_fields(body: Body) -> BodyFields:
    """Every (name, value) of a buffered body, repeats included. Raises `Unreadable`."""
    match body.shape:
        case BodyFormat.FORM:
            return BodyFields(read_urlencoded(body.data), read_semicolons(body.data), False)
        case BodyFormat.MULTIPART:
            return BodyFields(read_multipart(body.data, body.boundary), [], False)
        case BodyFormat.JSON:
            return BodyFields(read_json(body.data), [], True)
        case BodyFormat.NONE:
            return _NOTHING
        case BodyFormat.RAW | BodyFormat.UNTYPED | BodyFormat.FOREIGN:
            raise Unreadable("its format is not known")
        case _:
            assert_never(body.shape)


def must_be_read(body: Body) -> bool:
    """Whether a body must be read even without form rules, because it may hold an account or `_method`."""
    match body.shape:
        case BodyFormat.FORM:
            return is_suspect_form(body.data)
        case BodyFormat.JSON:
            return is_suspect_json(body.data)
        case BodyFormat.NONE:
            return False
        case BodyFormat.MULTIPART | BodyFormat.RAW | BodyFormat.UNTYPED | BodyFormat.FOREIGN:
            return True
        case _:
            assert_never(body.shape)
