"""What would become of the URLs that Twilio has been given: relayed, refused, 404, or not here. Pure."""

from enum import StrEnum
from typing import NamedTuple

from gateway.webhooks.public_address import read_address
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules, nearest_route, split_target


class UrlVerdict(StrEnum):
    """From good to bad."""

    RELAYED = "relayed"
    BYPASSES = "bypasses"  # Twilio calls another host: that service needs the Auth Token
    NO_ROUTE = "no route"  # 404
    BREAKS = "breaks"  # there is a route, but the event would be refused, or never arrive


class JudgedUrl(NamedTuple):
    """`detail` says what to do, '' for a good one."""

    verdict: UrlVerdict
    route: str = ""
    detail: str = ""


def judge_url(rules: WebhookRules, sid: str, url: str) -> JudgedUrl:
    """`sid` is the account whose number, service or application has the URL."""
    plain = url.strip().partition("#")[
        0
    ]  # what follows are Twilio's overrides (#rc=2), which it does not send
    base, _, query = plain.partition("?")
    if "://" in base and base.count("/") == 2:
        base += "/"
    if "@" in base:
        return JudgedUrl(UrlVerdict.BREAKS, detail="leave out the user name: the gateway asks for none")
    try:
        given = read_address(base)
    except ValueError:
        return JudgedUrl(UrlVerdict.BREAKS, detail="it is no http(s) URL")
    public = rules.address
    if _same(given.host) != _same(public.host):
        return JudgedUrl(UrlVerdict.BYPASSES, detail=f"its host is not that of {public.url.decode()}")
    # `read_address` takes off slashes at the end, which are part of a path.
    path = base.encode()[base.index("/", base.index("://") + 3) :]
    parts = split_target(_after_prefix(public.path, path).decode() + (f"?{query}" if query else ""))
    route = rules.match(parts[0]) if parts is not None else None
    if route is None:
        near = None if parts is None else nearest_route(rules, parts[0])
        close = "" if near is None else f"; {near.path} is close"
        return JudgedUrl(UrlVerdict.NO_ROUTE, detail=f"add a route for its path, byte for byte{close}")
    if given.scheme not in (public.scheme, public.scheme.lower()):
        return JudgedUrl(
            UrlVerdict.BREAKS,
            route.path,
            f"write {public.scheme.lower().decode()}://: the URL that is signed begins so",
        )
    if given.host not in (public.host, public.host.lower()):
        return JudgedUrl(
            UrlVerdict.BREAKS, route.path, f"write its host as public_url has it: {public.host.decode()}"
        )
    if (given.port or given.usual_port) != (public.port or public.usual_port):
        return JudgedUrl(UrlVerdict.BREAKS, route.path, "its port is not that of public_url")
    return _judge_route(route, sid)


def _same(host: bytes) -> bytes:
    """Two spellings of one name; the signature is over the one that Twilio was given."""
    return host.lower().removesuffix(b".")


def _judge_route(route: WebhookRoute, sid: str) -> JudgedUrl:
    if route.sid != sid:
        detail = f"the route is for the account {route.account}, whose Auth Token does not sign it"
        return JudgedUrl(UrlVerdict.BREAKS, route.path, detail)
    if not route.secrets:
        return JudgedUrl(UrlVerdict.BREAKS, route.path, "no entry of webhooks.secrets is for its account")
    return JudgedUrl(UrlVerdict.RELAYED, route.path)


def _after_prefix(prefix: bytes, path: bytes) -> bytes:
    if prefix and path.startswith(prefix + b"/"):
        return path[len(prefix) :]
    return path
