"""HashiCorp Vault, key/value engine version 2: logging in, and reading the newest version of a secret.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and …/auth/kubernetes. Knows nothing of when
it is asked. A token is not renewed: a login is repeated before it ends, or when Vault answers 403.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import orjson

from gateway.config.schema.secret_store_settings import Vault, VaultKubernetes
from gateway.config.schema.secret_values import LocalRef, SecretError, resolve
from gateway.secret_stores.http_store import StoreHttp, StoreReply, is_temporary, open_http
from gateway.secret_stores.store import Content, Read

_SHARE_OF_LEASE: Final = 0.9


_STANDBY: Final = frozenset({307, 412, 472, 473})
"""Of a standby node (https://developer.hashicorp.com/vault/api-docs/system/health). It redirects to the
active one where it cannot hand a request on; 412 says that it lacks what that one has written."""

_OF_ITS_NODE: Final = {
    307: "it is a standby that redirects: write the `address` of a balancer, or of the active node",
    503: "it is sealed or in maintenance: `vault status`, then unseal it",
}


def _is_temporary(status: int) -> bool:
    return is_temporary(status) or status in _STANDBY


class VaultStore:
    """One Vault. Its login outlives a round."""

    def __init__(
        self,
        settings: Vault,
        environ: Mapping[str, str],
        base_dir: Path,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._base_dir = base_dir
        self._clock = clock
        self._token = ""
        self._ends = 0.0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Read]:
        """See `SecretStore`."""
        ca_file = self._settings.ca_file
        async with open_http("Vault", None if ca_file is None else self._base_dir / ca_file) as http:
            logging_in = asyncio.Lock()

            async def read(path: str) -> Content:
                return await self._read(http, logging_in, path)

            yield read

    async def _read(self, http: StoreHttp, logging_in: asyncio.Lock, path: str) -> Content:
        async with logging_in:
            token = await self._login(http)
        reply = await self._get(http, path, token)
        if reply.status == 403:  # the token may have expired; the first read to notice logs in for all
            async with logging_in:
                if self._token == token:
                    self._token = ""
                fresh = await self._login(http)
            if fresh != token:
                reply = await self._get(http, path, fresh)
        return self._secret(reply, path)

    async def _get(self, http: StoreHttp, path: str, token: str) -> StoreReply:
        url = f"{self._settings.address}/v1/{self._settings.mount}/data/{path}"
        return await http.ask("GET", url, self._headers() | {"X-Vault-Token": token})

    def _headers(self) -> dict[str, str]:
        # X-Vault-Request: an agent in front may insist on it, against requests that a browser was led to.
        headers = {"X-Vault-Request": "true"}
        if self._settings.namespace is not None:
            headers["X-Vault-Namespace"] = self._settings.namespace
        return headers

    def _secret(self, reply: StoreReply, path: str) -> Content:
        mount = self._settings.mount
        if reply.status == 200:
            values = reply.value("data", "data")
            if isinstance(values, dict) and isinstance(reply.value("data", "metadata"), dict):
                return values
            hint = f"is the engine at {mount} one of version 2? `vault secrets list -detailed` says it"
            raise SecretError("Vault's answer is not that of a key/value engine, version 2", hint)
        hints = {
            403: f'its token needs a policy with: path "{mount}/data/{path}" {{ capabilities = ["read"] }}',
            404: f"is it there, and not deleted? `vault kv get -mount={mount} {path}`",
        }
        hint = (_OF_ITS_NODE | hints).get(reply.status, "Vault's log says why")
        raise SecretError(f"Vault answered {reply.status}", hint, temporary=_is_temporary(reply.status))

    async def _login(self, http: StoreHttp) -> str:
        """A token that is believed to be good."""
        if not self._token or self._clock() >= self._ends:
            if self._settings.kubernetes is not None:
                self._token, self._ends = await self._login_by_kubernetes(http, self._settings.kubernetes)
            elif self._settings.token is not None:  # the configuration has exactly one of the two
                token = resolve(self._settings.token, self._environ, self._base_dir)
                self._token, self._ends = token.reveal(), float("inf")
        return self._token

    async def _login_by_kubernetes(self, http: StoreHttp, settings: VaultKubernetes) -> tuple[str, float]:
        jwt = resolve(LocalRef(file=settings.jwt_file), self._environ, self._base_dir)
        began = self._clock()
        reply = await http.ask(
            "POST",
            f"{self._settings.address}/v1/auth/{settings.mount}/login",
            self._headers(),
            orjson.dumps({"role": settings.role, "jwt": jwt.reveal()}),
        )
        if reply.status != 200:
            raise SecretError(
                f"Vault answered {reply.status} to the login at auth/{settings.mount}",
                _OF_ITS_NODE.get(
                    reply.status,
                    f"check its role {settings.role} and the service account bound to it; "
                    "Vault must be allowed to review tokens",
                ),
                temporary=_is_temporary(reply.status),
            )
        token, lease = reply.value("auth", "client_token"), reply.value("auth", "lease_duration")
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token) or not isinstance(lease, int):
            raise SecretError(
                "Vault's answer to the login has no token", "is `secret_stores.vault.address` Vault's?"
            )
        return token, began + lease * _SHARE_OF_LEASE if lease > 0 else float("inf")
