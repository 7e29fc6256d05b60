"""A response as bytes, to be kept in a store and given to another caller. Pure."""

from typing import Final

from gateway.http.response import Response

STORED_BYTES: Final = 80 * 1024
"""The largest response that is kept, head included. One that is streamed (over 64 KiB) never is."""


def copy_response(response: Response) -> Response:
    """A response as it came: what is rewritten for one caller is not rewritten for another.

    Without what is still to be read of it.
    """
    body = response.body if response.rest is None else b""
    return Response(response.status, response.reason, response.fields, body, None)


def encode_response(response: Response) -> bytes:
    """A whole response as it would be on the wire."""
    head = b"%d %b\r\n" % (response.status, response.reason.encode("latin-1", "replace"))
    fields = b"".join(b"%b: %b\r\n" % field for field in response.fields)
    return b"%b%b\r\n%b" % (head, fields, response.body)


def decode_response(data: bytes) -> Response:
    """The response again. Raises `ValueError` if it cannot be read."""
    head, found, body = data.partition(b"\r\n\r\n")
    line, *rest = head.split(b"\r\n")
    status, _, reason = line.partition(b" ")
    fields = tuple((name, value) for name, _, value in (field.partition(b": ") for field in rest))
    if not found or not all(name for name, _ in fields):
        raise ValueError("not a kept answer")
    return Response(int(status), reason.decode("latin-1"), fields, body, None)
