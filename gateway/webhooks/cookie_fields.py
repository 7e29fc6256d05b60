"""A service's cookies as Twilio must get them to send them back: for the public address, not for ours. Pure.

Twilio keeps cookies per call as a browser does (RFC 6265): one for another domain, or for a path that it does
not call, never comes back.
"""

from typing import Final

from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules, split_origin

_ROOT: Final = b"/"


def move_cookie(value: bytes, rules: WebhookRules, route: WebhookRoute) -> bytes:
    """A Set-Cookie value less a `Domain` that is not the public one, and with `Path` as Twilio sees it."""
    cookie, *attributes = value.split(b";")
    kept = [cookie]
    for attribute in attributes:
        name, _, text = attribute.partition(b"=")
        kind = name.strip().lower()
        if kind == b"domain" and not _is_public(text, rules):
            continue
        if kind == b"path" and text.strip():
            moved = _move_path(text.strip(), rules, route)
            attribute = attribute if moved == text.strip() else b"%b=%b" % (name, moved)
        kept.append(attribute)
    return b";".join(kept)


def _is_public(text: bytes, rules: WebhookRules) -> bool:
    """Whether a cookie's domain is the public host, or a parent of it (RFC 6265 5.1.3)."""
    domain = text.strip().lstrip(b".").lower()
    return bool(domain) and (b"." + rules.address.host.lower()).endswith(b"." + domain)


def _move_path(path: bytes, rules: WebhookRules, route: WebhookRoute) -> bytes:
    """Beneath `to`: the same place beneath the route. Any other covers all that Twilio calls."""
    if not route.open_ended or not path.startswith(_ROOT):
        return _ROOT
    inward = split_origin(route.to)[1].encode()
    public = rules.address.path + route.base
    if (path + _ROOT) == inward:
        return public.rstrip(_ROOT) or _ROOT
    if path.startswith(inward) and path != _ROOT:
        return public + path[len(inward) :]
    return _ROOT
