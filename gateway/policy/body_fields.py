"""The one place that turns a buffered body into the fields that rules are checked against.

Form rules and limits per destination both read a body through here. Each body format is named, and the match
ends with `assert_never`: a new format cannot pass unread.
"""

from typing import assert_never

from gateway.http.form_data import Fields, Unreadable, is_suspect, read_json, read_multipart, read_urlencoded
from gateway.policy.bodies import Body, BodyFormat


def read_body_fields(body: Body) -> Fields:
    """Every (name, value) of a buffered body, repeats included. Raises `Unreadable`."""
    match body.shape:
        case BodyFormat.FORM:
            return read_urlencoded(body.data)
        case BodyFormat.MULTIPART:
            return read_multipart(body.data, body.boundary)
        case BodyFormat.JSON:
            return read_json(body.data)
        case BodyFormat.NONE:
            return []
        case BodyFormat.RAW | BodyFormat.UNTYPED | BodyFormat.FOREIGN:
            raise Unreadable("its format is not known")
        case _:
            assert_never(body.shape)


def must_be_read(body: Body) -> bool:
    """Whether a body must be read even without form rules, because it may hold an account or `_method`."""
    match body.shape:
        case BodyFormat.FORM:
            return is_suspect(body.data, is_json=False)
        case BodyFormat.JSON:
            return is_suspect(body.data, is_json=True)
        case BodyFormat.NONE:
            return False
        case BodyFormat.MULTIPART | BodyFormat.RAW | BodyFormat.UNTYPED | BodyFormat.FOREIGN:
            return True
        case _:
            assert_never(body.shape)
