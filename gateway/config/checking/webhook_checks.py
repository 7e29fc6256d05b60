"""Webhook settings that contradict each other, and those that are valid but probably not meant.

Contradictions are found in plain values like those of `contradictions.py`, which calls it; what has not the
form it should have is skipped. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.config.checking.known_names import suggest
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.addresses import collide
from gateway.config.schema.admin_settings import Admin
from gateway.config.schema.settings import Settings
from gateway.config.schema.webhook_settings import Webhooks

_WILDCARD: Final = "/**"
_SID_LENGTH: Final = 34
SAME_ADDRESS: Final = "another port of the gateway has this address"


def find_webhook_contradictions(tree: Mapping[str, object]) -> Iterator[Finding]:
    """Errors beneath `webhooks`."""
    section = tree.get("webhooks")
    if not isinstance(section, dict):
        return
    yield from _same_address(tree, section)
    credentials = tree.get("credentials")
    known = list(credentials) if isinstance(credentials, dict) else None
    for index, secret in _items(section.get("secrets")):
        path: KeyPath = ("webhooks", "secrets", index)
        token, shared, value = (secret.get(name) for name in ("auth_token", "shared_key", "secret"))
        if bool(token) == bool(shared or value) or bool(shared) != bool(value):
            hint = "write `auth_token: {env: NAME}`, or `shared_key: …` with `secret: {env: NAME}`"
            yield Finding(path, "needs an Auth Token, or a SharedKey and its secret", hint)
        yield from _account(secret, path, known)
    for index, route in _items(section.get("routes")):
        path = ("webhooks", "routes", index)
        own, target = route.get("path"), route.get("to")
        texts = [text for text in (own, target) if isinstance(text, str)]
        if len({text.endswith(_WILDCARD) for text in texts}) > 1:
            hint = "end both `path` and `to` with /**, or neither"
            yield Finding((*path, "to"), "only one of `path` and `to` takes what is beneath", hint)
        if route.get("burst") is not None and route.get("rate") is None:
            yield Finding((*path, "burst"), "is of no use without `rate`", "add `rate: 50/s`, or remove it")
        yield from _account(route, path, known)


def may_collide(one: object, other: object) -> bool:
    """Whether two values of `listen` are good, and two ports that could not both be opened."""
    try:
        return isinstance(one, str) and isinstance(other, str) and collide(one, other)
    except ValueError:
        return False


def _same_address(tree: Mapping[str, object], section: Mapping[str, object]) -> Iterator[Finding]:
    """The admin port is open beside the webhooks' in each role; `resolve.py` judges the data port, which may
    be open elsewhere. Two that are written alike are refused whatever the role."""
    listen, data = section.get("listen"), data_listen(tree)
    admin = tree.get("admin")
    given = admin.get("listen") if isinstance(admin, dict) else None
    alike = listen == data and may_collide(listen, data)
    if alike or may_collide(listen, given or Admin.model_fields["listen"].default):
        yield Finding(("webhooks", "listen"), SAME_ADDRESS, "choose another port")


def data_listen(tree: Mapping[str, object]) -> object:
    """Where callers are served. A file without consumers may be for the webhook role alone, which does not
    open the default port: None."""
    return tree.get("listen", Settings.model_fields["listen"].default if "consumers" in tree else None)


def _account(entry: Mapping[str, object], path: KeyPath, known: list[str] | None) -> Iterator[Finding]:
    name = entry.get("account")
    if known is None or not isinstance(name, str) or name in known or len(name) == _SID_LENGTH:
        return
    yield Finding((*path, "account"), "no credential has this name", suggest(name, known))


def find_webhook_warnings(settings: Settings) -> Iterator[Finding]:
    """What works, but is probably not meant."""
    webhooks = settings.webhooks
    if webhooks is None:
        return
    yield from _exposure(webhooks)
    routes = webhooks.routes
    if not routes:
        yield Finding(("webhooks", "routes"), "there is no route: everything is 404", "add a route")
    for index, before in find_shadowed([route.path for route in routes]):
        yield Finding(
            ("webhooks", "routes", index),
            f"can never match: the route {routes[before].path} before it takes all of its events",
            "move it before that route, or remove it",
        )
    signed = {secret.account for secret in webhooks.secrets}
    tokens = {str(secret.auth_token) for secret in webhooks.secrets if secret.auth_token is not None}
    for index, route in enumerate(routes):
        path: KeyPath = ("webhooks", "routes", index)
        segments = route.path.removesuffix("**").split("/")
        if "." in segments or ".." in segments:
            yield Finding((*path, "path"), "can never match: no client sends dot segments", "remove them")
        if route.account not in signed:
            yield Finding(
                (*path, "account"),
                "can never match: no entry of `webhooks.secrets` is for this account",
                f"add `- {{account: {route.account}, auth_token: {{env: NAME}}}}` to `secrets`",
            )
        if str(route.sign_with) in tokens:
            hint = "make a secret for the service: openssl rand -hex 32"
            yield Finding((*path, "sign_with"), "is an Auth Token, which the service need not have", hint)
        if route.mode == "report":
            yield Finding(
                (*path, "mode"),
                "relays events that Twilio did not sign, and signs them for the service",
                "write `mode: enforce` once `gateway_webhook_would_refuse_total` stays the same",
            )


def _exposure(webhooks: Webhooks) -> Iterator[Finding]:
    if webhooks.public_url.startswith("http://"):
        yield Finding(
            ("webhooks", "public_url"),
            "messages and phone numbers cross the Internet unencrypted",
            "write https://…, and have Twilio call that",
        )


def find_shadowed(paths: Sequence[str]) -> list[tuple[int, int]]:
    """(route, the earlier route that takes all that it could have matched), by their places in the list."""
    found = []
    for index, path in enumerate(paths):
        own = path.removesuffix("**") if path.endswith(_WILDCARD) else path
        for before, other in enumerate(paths[:index]):
            beneath = other.endswith(_WILDCARD) and own.startswith(other.removesuffix("**"))
            if path == other or beneath:
                found.append((index, before))
                break
    return found


def _items(value: object) -> Iterator[tuple[int, Mapping[str, object]]]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield index, item
