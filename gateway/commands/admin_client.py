"""A client of the admin port's API, by the standard library alone: `gateway tail` starts at once.

It turns whatever goes wrong into one sentence that says what to do. Knows nothing of what is shown, or how.
"""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

_SECONDS = 10.0
"""After a silence of this length the gateway counts as unavailable: a stream ticks every second."""
_MAX_BYTES = 64 * 1024 * 1024


class AdminError(Exception):
    """The gateway answered, and will go on answering so: another token, address or filter is needed."""

    wrong_usage = False
    """Whether it was what was asked that was wrong."""


class AdminAway(AdminError):
    """No answer, or none now: it may be different in a moment."""


class Event(NamedTuple):
    """A server-sent event; `number` is its id, or that of the one before it."""

    name: str
    number: int | None
    content: Any


class AdminClient:
    """Asks one gateway. `token` is '' for none; `token_name` is the variable it came from, for messages."""

    def __init__(self, url: str, token: str, token_name: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise _usage("--admin is a URL like http://127.0.0.1:9090")
        try:
            self._port = parts.port
        except ValueError as error:
            raise _usage("--admin has a port that is none") from error
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._path = parts.path.rstrip("/")
        self._token = token
        self._token_name = token_name

    def get(self, path: str, query: Mapping[str, object]) -> Any:
        """The JSON at a path. Raises `AdminError`."""
        return self._read(*self._open(path, query))

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON that a POST is answered with; `body` is sent as JSON. Raises `AdminError`."""
        return self._read(*self._open(path, {}, "POST", body))

    def _read(self, connection: HTTPConnection, response: HTTPResponse) -> Any:
        try:
            return self._parse(response.read(_MAX_BYTES))
        except (OSError, HTTPException) as error:
            raise self._away(error) from error
        finally:
            connection.close()

    def events(self, path: str, query: Mapping[str, object]) -> Iterator[Event]:
        """Events until the stream ends, which raises `AdminAway` as any failure does."""
        connection, response = self._open(path, query)
        name, number = "", None
        try:
            while line := response.readline():
                field, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "id" and value.isdigit():
                    number = int(value)
                elif field == "data":
                    yield Event(name, number, self._parse(value.encode()))
        except (OSError, HTTPException) as error:
            raise self._away(error) from error
        finally:
            connection.close()
        raise AdminAway(f"the gateway at {self.url} ended the stream")

    def _open(
        self,
        path: str,
        query: Mapping[str, object],
        method: str = "GET",
        body: Mapping[str, object] | None = None,
    ) -> tuple[HTTPConnection, HTTPResponse]:
        make = HTTPSConnection if self._secure else HTTPConnection
        connection = make(self._host, self._port, timeout=_SECONDS)
        headers = {"Accept": "application/json, text/event-stream", "User-Agent": "gateway-tail"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        target = f"{self._path}{path}"
        if query:
            target += f"?{urlencode(query)}"
        try:
            content = None if body is None else json.dumps(body)
            if content is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            if response.status == 200:
                return connection, response
            status, said = response.status, response.read(_MAX_BYTES)
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._away(error) from error
        connection.close()
        raise self._refusal(status, said)

    def _refusal(self, status: int, body: bytes) -> AdminError:
        text = _error_text(body)
        if status == 401 and text and self._token:
            return AdminError(f"the token in {self._token_name} is not the gateway's `admin.page_token`")
        if status == 401 and text:
            return AdminError(
                f"the gateway wants a token: put the value of its `admin.page_token` into {self._token_name}"
            )
        if status == 400 and text:
            return _usage(text)
        if status == 429 or status >= 500:
            return AdminAway(f"the gateway at {self.url} answers {status}: {text or 'try again later'}")
        if status in (403, 404, 409) and text:
            return AdminError(text)
        return AdminError(
            f"{self.url} answers {status}: is that a gateway's admin port? (`admin.listen`, not `listen`)"
        )

    def _parse(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise AdminError(f"{self.url} does not answer as a gateway's admin port does") from error

    def _away(self, error: Exception) -> AdminAway:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return AdminAway(f"no gateway answers at {self.url} ({reason})")


def _error_text(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    text = content.get("error") if isinstance(content, dict) else None
    return text if isinstance(text, str) else ""


def _usage(text: str) -> AdminError:
    error = AdminError(text)
    error.wrong_usage = True
    return error
