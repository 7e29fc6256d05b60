"""Google Secret Manager: its REST API by aiohttp, with tokens that google-auth gets.

https://docs.cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access.
Knows nothing of when it is asked. google-auth blocks, so it has threads of its own; it speaks through our
session. It is imported with the first secret.
"""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, cast

from gateway.background.daemon_thread import call_in_thread
from gateway.config.schema.secret_store_settings import Gcp
from gateway.config.schema.secret_values import SecretError
from gateway.secret_stores.http_store import StoreHttp, StoreReply, is_temporary, open_http
from gateway.secret_stores.store import Content, Read

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_HINTS: Final = {
    401: "are these credentials still valid?",
    403: "grant roles/secretmanager.secretAccessor on this secret, and enable the API in its project",
    404: "is it there, and is the version enabled? `gcloud secrets versions list NAME` says it",
    400: "is the version enabled? `gcloud secrets versions list NAME` says it",
}


class _Identity(NamedTuple):
    token: str
    headers: Mapping[str, str]
    project: str | None


class GcpStore:
    """One identity at Google. Its token outlives a round."""

    def __init__(self, settings: Gcp, base_dir: Path, timeout_seconds: float) -> None:
        self._settings = settings
        self._base_dir = base_dir
        self._timeout_seconds = timeout_seconds
        self._proving = threading.Lock()
        self._credentials: Any = None
        self._project = settings.project

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Read]:
        """See `SecretStore`."""
        async with open_http("Google") as http:
            transport = _Transport(http, asyncio.get_running_loop(), self._timeout_seconds)

            async def read(name: str) -> Content:
                return await self._read(http, transport, name)

            yield read

    async def _read(self, http: StoreHttp, transport: "_Transport", name: str) -> Content:
        reply, refused = await self._access(http, transport, name, "")
        if reply.status == 401:  # a token that Google does not take is replaced once
            reply, _ = await self._access(http, transport, name, refused)
        if reply.status == 200:
            return _payload(reply)
        hint = _HINTS.get(reply.status, "see https://status.cloud.google.com")
        raise SecretError(f"Google answered {reply.status}", hint, temporary=is_temporary(reply.status))

    async def _access(
        self, http: StoreHttp, transport: "_Transport", name: str, refused: str
    ) -> tuple[StoreReply, str]:
        """The answer, and the token that it was asked for with: one that is not `refused`."""
        who = await asyncio.wrap_future(call_in_thread(lambda: self._prove(transport, refused)))
        url = f"{self._settings.endpoint}/v1/{_version_of(name, who.project)}:access"
        return await http.ask("GET", url, who.headers), who.token

    def _prove(self, transport: "_Transport", refused: str) -> _Identity:
        """Blocks. Raises SecretError if nothing says who we are."""
        try:
            from google.auth.exceptions import GoogleAuthError, TransportError
        except ImportError:
            raise SecretError("google-auth is not installed", "pip install 'twilio-gateway[gcp]'") from None
        with self._proving:
            try:
                if self._credentials is None:
                    self._load(transport)
                if not self._credentials.valid or self._credentials.token == refused:
                    self._credentials.refresh(transport)
                headers: dict[str, str] = {}
                self._credentials.apply(headers)
            except (GoogleAuthError, ValueError, OSError, AttributeError, KeyError, TypeError) as error:
                # google-auth takes the token service's JSON to be an object: a list is a TypeError.
                # `from None`: its text quotes the key file, or what the token service answered.
                status = f", the token service answered {transport.refused}" if transport.refused else ""
                raise SecretError(
                    f"google-auth cannot prove who we are ({type(error).__name__}{status})",
                    "set `secret_stores.gcp.credentials_file` or GOOGLE_APPLICATION_CREDENTIALS, or run "
                    "with a service account; is the key still valid?",
                    temporary=isinstance(error, TransportError) or is_temporary(transport.refused),
                ) from None
            return _Identity(self._credentials.token, headers, self._project)

    def _load(self, transport: "_Transport") -> None:
        import google.auth
        from google.oauth2 import service_account

        file = self._settings.credentials_file
        if file is None:
            self._credentials, project = google.auth.default(scopes=_SCOPES, request=cast(Any, transport))
        else:
            # google-auth has no annotations, here and below.
            self._credentials = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
                self._base_dir / file, scopes=_SCOPES
            )
            project = self._credentials.project_id
        self._project = self._project or project


class _Transport:
    """What google-auth asks the token service through: `google.auth.transport.Request`, by its shape.

    Called on a thread that may block, it has the loop make the request. (google-auth's own needs the requests
    package.)
    """

    def __init__(self, http: StoreHttp, loop: asyncio.AbstractEventLoop, timeout_seconds: float) -> None:
        self._http = http
        self._loop = loop
        self._timeout_seconds = timeout_seconds
        self.refused = 0
        """The last status that was no success."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> "_TokenReply":
        from google.auth.exceptions import TransportError

        if self._loop.is_closed():
            raise TransportError("the caller has stopped waiting")  # type: ignore[no-untyped-call]
        asking = asyncio.run_coroutine_threadsafe(self._http.ask(method, url, headers, body), self._loop)
        try:
            reply = asking.result(min(self._timeout_seconds, timeout or self._timeout_seconds))
        except (SecretError, TimeoutError) as error:
            asking.cancel()
            raise TransportError(error.args[0]) from None  # type: ignore[no-untyped-call]
        if reply.status >= 400:
            self.refused = reply.status
        return _TokenReply(reply.status, reply.headers, reply.body)


class _TokenReply(NamedTuple):
    """`google.auth.transport.Response`, by its shape."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _version_of(name: str, project: str | None) -> str:
    """The resource of the version that `name` means. Raises SecretError if nothing says which project."""
    if not name.startswith("projects/"):
        if project is None:
            raise SecretError(
                "nothing says in which project it is",
                "set `secret_stores.gcp.project`, or write projects/PROJECT/secrets/NAME",
            )
        name = f"projects/{project}/secrets/{name}"
    return name if "/versions/" in name else f"{name}/versions/latest"


def _payload(reply: StoreReply) -> str:
    data = reply.value("payload", "data")
    try:
        return base64.b64decode(data, validate=True).decode() if isinstance(data, str) else _no_payload()
    except ValueError:
        _no_payload()


def _no_payload() -> NoReturn:
    raise SecretError("Google's answer has no text in it", "is `secret_stores.gcp.endpoint` right?")
