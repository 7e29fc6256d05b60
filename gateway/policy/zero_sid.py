"""The all-zero SID in a body stands for the credential's own account, as it does in path and query.

It is replaced before the body is judged, so that what is judged is what is sent. Only a whole value is one,
and no free text: a message that quotes the zeros is sent as it is. The SIDs are of one length, so that
nothing else of the body moves. Where this is not clear nothing is replaced, and the check of accounts
refuses it.
"""

import re
from typing import Final

from gateway.consumers.account_pinning import MY_ACCOUNT
from gateway.consumers.form_check import is_free_text
from gateway.http.form_data import Fields, Unreadable, read_json, read_multipart, read_urlencoded
from gateway.policy.bodies import Body, BodyFormat
from gateway.twilio.catalogue import Route

_ZEROS: Final = MY_ACCOUNT.encode()
_FORM_PAIR: Final = re.compile(rb"(?:\A|(?<=&))([^&=;]*)=%b(?=&|\Z)" % _ZEROS)
# A string, not a name, and not the end of one: behind a backslash the quote is a letter.
_JSON_VALUE: Final = re.compile(rb'(?<!\\)"%b"(?!\s*:)' % _ZEROS)
_PART: Final = re.compile(rb"(?<=\r\n\r\n)%b(?=\r\n--)" % _ZEROS)


def replace_zero_sid(body: Body, route: Route, own: str) -> Body:
    """The body with `own` where a parameter's value is the all-zero SID; the same one if there is none."""
    if _ZEROS not in body.data:
        return body
    sid = own.encode()
    data = body.data
    try:
        if body.shape is BodyFormat.FORM:
            data = _in_form(data, route, sid)
        elif body.shape is BodyFormat.JSON:
            data = _in_others(data, _JSON_VALUE, b'"%b"' % sid, read_json(data), route, is_json=True)
        elif body.shape is BodyFormat.MULTIPART:
            fields = read_multipart(data, body.boundary)
            data = _in_others(data, _PART, sid, fields, route, is_json=False)
    except Unreadable:  # which the check says, too
        return body
    return Body(data, body.shape, body.boundary, body.content_type)


def _in_form(data: bytes, route: Route, sid: bytes) -> bytes:
    def replace(pair: re.Match[bytes]) -> bytes:
        name = read_urlencoded(pair[1] + b"=")[0][0] if pair[1] else ""
        return pair[0] if is_free_text(route, name, is_json=False) else pair[1] + b"=" + sid

    return _FORM_PAIR.sub(replace, data)


def _in_others(
    data: bytes, pattern: re.Pattern[bytes], sid: bytes, fields: Fields, route: Route, *, is_json: bool
) -> bytes:
    """All or none: which bytes belong to which field is not known here."""
    holding = [name for name, value in fields if value == MY_ACCOUNT]
    if any(is_free_text(route, name, is_json=is_json) for name in holding):
        return data
    return pattern.sub(sid, data) if len(pattern.findall(data)) == len(holding) else data
