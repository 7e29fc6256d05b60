"""The documented ways to point the twilio package from PyPI at the gateway, each as a context manager."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.support.running import ACCOUNT_SID, KEY

PRODUCTS = ("api", "messaging", "content", "verify", "conversations")
_TWILIO = ".twilio.com"


class Login(NamedTuple):
    """What a client is given instead of Twilio's credentials."""

    username: str = "app"
    password: str = KEY
    account_sid: str | None = ACCOUNT_SID


class PrefixingHttpClient(TwilioHttpClient):  # type: ignore[misc]
    """Sends what is meant for `https://{product}.twilio.com/…` to `{gateway}/{product}/…`."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self.gateway = gateway

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Rewrite Twilio's hosts; links that already lead through the gateway stay."""
        parts = urlsplit(url)
        if parts.netloc.endswith(_TWILIO):
            product = parts.netloc.removesuffix(_TWILIO)
            url = f"{self.gateway}/{product}{url.partition(parts.netloc)[2]}"
        return super().request(method, url, *args, **kwargs)


class HostKeepingHttpClient(PrefixingHttpClient):
    """Connects to the gateway, but says `Host: {product}.twilio.com`, as with an override in DNS."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Send to the gateway with Twilio's Host."""
        host = urlsplit(url).netloc
        kwargs["headers"] = {**kwargs["headers"], "Host": host}
        return TwilioHttpClient.request(self, method, self.gateway + url.partition(host)[2], *args, **kwargs)


def by_prefix(gateway: str, login: Login) -> Any:
    """`client.api.base_url = "http://gateway:8080/api"`, and so on for each product in use."""
    client = _client(login, TwilioHttpClient())
    for product in PRODUCTS:
        getattr(client, product).base_url = f"{gateway}/{product}"
    return client


def by_bare_path(gateway: str, login: Login) -> Any:
    """`client.api.base_url = "http://gateway:8080"`: the 2010 API needs no prefix."""
    client = _client(login, TwilioHttpClient())
    client.api.base_url = gateway
    return client


def by_rewriting(gateway: str, login: Login) -> Any:
    """A custom `http_client` that rewrites hosts."""
    return _client(login, PrefixingHttpClient(gateway))


def by_host(gateway: str, login: Login) -> Any:
    """A custom `http_client` that keeps Host."""
    return _client(login, HostKeepingHttpClient(gateway))


def by_forward_proxy(gateway: str, login: Login) -> Any:
    """A proxy for plain HTTP: absolute-form targets, the key in Proxy-Authorization.

    The SDK's own Authorization is then worth nothing, and says so.
    """
    proxy = gateway.replace("://", f"://{login.username}:{login.password}@")
    client = _client(
        Login(ACCOUNT_SID, "not-a-token", login.account_sid), TwilioHttpClient(proxy={"http": proxy})
    )
    client.api.base_url = "http://api.twilio.com"
    return client


EVERYWHERE: dict[str, Callable[[str, Login], Any]] = {
    "prefix": by_prefix,
    "rewriting": by_rewriting,
    "host": by_host,
}
"""Ways that work for every product."""
CORE_ONLY: dict[str, Callable[[str, Login], Any]] = {
    "bare-path": by_bare_path,
    "forward-proxy": by_forward_proxy,
}
"""Ways for the 2010 API alone."""
WAYS = EVERYWHERE | CORE_ONLY


@contextmanager
def pointed(way: str, gateway: str, login: Login | None = None) -> Iterator[Any]:
    """A `twilio.rest.Client` that calls the gateway in one of the ways."""
    client = WAYS[way](gateway, login or Login())
    try:
        yield client
    finally:
        client.http_client.session.close()


def _client(login: Login, http_client: TwilioHttpClient) -> Any:
    return Client(login.username, login.password, account_sid=login.account_sid, http_client=http_client)
