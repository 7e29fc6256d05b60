"""The head of an answer to a caller: version, framing and connection options are ours (RFC 9112). Pure."""

from typing import Final

HTTP_1_0: Final = (1, 0)
HTTP_1_1: Final = (1, 1)


def build_head(
    version: tuple[int, int], status: int, reason: str, fields: bytes, *, chunked: bool, keeps_open: bool
) -> bytes:
    """Status line and `fields` (CRLF-ended lines) exactly as given, with what the framing needs added.

    `version` is (1, 0) or (1, 1); HTTP/1.0 must be told that its connection is kept, HTTP/1.1 that it is not.
    """
    if version == HTTP_1_0:
        minor, connection = 0, b"Connection: keep-alive\r\n" if keeps_open else b""
    else:
        minor, connection = 1, b"" if keeps_open else b"Connection: close\r\n"
    return b"HTTP/1.%d %d %b\r\n%b%b%b\r\n" % (
        minor,
        status,
        reason.encode("latin-1", "replace"),
        fields,
        b"Transfer-Encoding: chunked\r\n" if chunked else b"",
        connection,
    )
