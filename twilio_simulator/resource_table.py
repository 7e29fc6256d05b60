"""The table of everything the simulator answers: product, path, verbs, and how a path finds its row.

To add a resource, write its kind and name it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twilio_simulator import account_resources as iam
from twilio_simulator import core_resources as core
from twilio_simulator import product_resources as products
from twilio_simulator.actions import create, delete, fetch, list_page, update
from twilio_simulator.application_resources import build_application, change_application
from twilio_simulator.empty_resources import EMPTY_ROUTES
from twilio_simulator.media_resources import fetch_media
from twilio_simulator.received_request import Received
from twilio_simulator.resource_kinds import Match, ResourceKind, ResourceRoute, Verb
from twilio_simulator.resource_values import ResourceBodyKind
from twilio_simulator.simulated_errors import method_not_allowed

MESSAGES: Final = ResourceKind(
    "messages", "Message", "Messages", "SM", "/twilio/messaging/messages",
    core.build_message, core.change_message,
    filters={"To": "to", "From": "from"}, date_filter="DateSent", date_field="date_sent",
    created=core.message_created,
)  # fmt: skip
MEDIA: Final = ResourceKind(
    "media_list", "Media", "MediaList", "ME", "/twilio/messaging/media", core.refuse_media, core.change_media
)
CALLS: Final = ResourceKind(
    "calls", "Call", "Calls", "CA", "/twilio/voice/calls",
    core.build_call, core.change_call,
    filters={"To": "to", "From": "from", "Status": "status"}, date_filter="StartTime",
)  # fmt: skip
NUMBERS: Final = ResourceKind(
    "incoming_phone_numbers", "IncomingPhoneNumber", "IncomingPhoneNumbers", "PN",
    "/twilio/phone-numbers/incoming",
    core.build_number, core.change_number,
    filters={"PhoneNumber": "phone_number", "FriendlyName": "friendly_name"},
)  # fmt: skip
APPLICATIONS: Final = ResourceKind(
    "applications", "Application", "Applications", "AP", "/twilio/voice/applications",
    build_application, change_application, filters={"FriendlyName": "friendly_name"},
)  # fmt: skip
ACCOUNTS: Final = ResourceKind(
    "accounts", "Account", "Accounts", "AC", "/twilio/iam/accounts",
    iam.build_account, iam.change_account,
    filters={"FriendlyName": "friendly_name", "Status": "status"}, created=iam.account_created,
)  # fmt: skip
KEYS: Final = ResourceKind(
    "keys", "Key", "Keys", "SK", "/twilio/iam/api-keys",
    iam.build_key, iam.change_key, created=iam.key_created, deleted=iam.key_deleted,
)  # fmt: skip
SERVICES: Final = ResourceKind(
    "services", "Service", "Services", "MG", "/twilio/messaging/services",
    products.build_service, products.change_service,
)  # fmt: skip
CONTENTS: Final = ResourceKind(
    "contents", "Content", "Contents", "HX", "/twilio/content/templates",
    products.build_content, products.change_content,
)  # fmt: skip

_EVERY_VERB: Final = ("create", "fetch", "list", "update", "delete")


def _resource(
    product: str,
    path: str,
    kind: ResourceKind,
    verbs: tuple[str, ...] = _EVERY_VERB,
    body: ResourceBodyKind = ResourceBodyKind.FORM,
    guarded: bool = False,
) -> list[ResourceRoute]:
    """The two rows of a resource: its collection and its instances."""
    actions = {
        "create": create(kind, body),
        "fetch": fetch(kind),
        "list": list_page(kind),
        "update": update(kind),
        "delete": delete(kind),
    }
    collection, instance = {"GET": "list", "POST": "create"}, {
        "GET": "fetch",
        "POST": "update",
        "PUT": "update",
        "DELETE": "delete",
    }  # fmt: skip

    def row(methods: Mapping[str, str]) -> dict[str, Verb]:
        return {
            method: Verb(actions[verb], _permission(kind, verb))
            for method, verb in methods.items()
            if verb in verbs
        }

    return [
        ResourceRoute(product, path, row(collection), body, guarded),
        ResourceRoute(product, path + "/{Sid}", row(instance), body, guarded),
    ]


def _permission(kind: ResourceKind, verb: str) -> str:
    return f"{kind.permission}/{'read' if verb == 'fetch' else verb}"


_ACCOUNTS_PATH: Final = "/2010-04-01/Accounts"
_ACCOUNT: Final = _ACCOUNTS_PATH + "/{AccountSid}"
_MEDIA: Final = _ACCOUNT + "/Messages/{MessageSid}/Media"

ROUTES: Final = (
    *_resource("api", _ACCOUNTS_PATH, ACCOUNTS, ("create", "fetch", "list", "update"), guarded=True),
    *_resource("api", _ACCOUNT + "/Messages", MESSAGES),
    *_resource("api", _ACCOUNT + "/Applications", APPLICATIONS),
    ResourceRoute("api", _MEDIA, {"GET": Verb(list_page(MEDIA), _permission(MEDIA, "list"))}),
    ResourceRoute(
        "api",
        _MEDIA + "/{Sid}",
        {
            "GET": Verb(fetch_media(MEDIA), _permission(MEDIA, "fetch")),
            "DELETE": Verb(delete(MEDIA), _permission(MEDIA, "delete")),
        },
    ),
    *_resource("api", _ACCOUNT + "/Calls", CALLS),
    *_resource("api", _ACCOUNT + "/IncomingPhoneNumbers", NUMBERS),
    *_resource("api", _ACCOUNT + "/Keys", KEYS, guarded=True),
    *_resource("api", _ACCOUNT + "/SigningKeys", KEYS, guarded=True),
    *_resource("messaging", "/v1/Services", SERVICES),
    *_resource(
        "content", "/v1/Content", CONTENTS, ("create", "fetch", "list", "delete"), ResourceBodyKind.JSON
    ),
    ResourceRoute(
        "verify",
        "/v2/Services/{ServiceSid}/Verifications",
        {"POST": Verb(products.create_verification, "/twilio/verify/verifications/create")},
    ),
    ResourceRoute(
        "mcs",
        "/v1/Services/{ServiceSid}/Media",
        {"POST": Verb(products.create_upload, "/twilio/media/create")},
        ResourceBodyKind.STREAM,
    ),
    *EMPTY_ROUTES,
)

_BY_SHAPE: dict[tuple[str, int], list[tuple[ResourceRoute, tuple[str, ...]]]] = {}
for _route in ROUTES:
    _parts = tuple(_route.template.strip("/").split("/"))
    _BY_SHAPE.setdefault((_route.product, len(_parts)), []).append((_route, _parts))


def match_route(received: Received) -> Match | None:
    """The row for this path, and the values of its parameters."""
    segments = received.segments
    for route, parts in _BY_SHAPE.get((received.product, len(segments)), ()):
        params: dict[str, str] = {}
        for part, segment in zip(parts, segments, strict=True):
            if part[0] == "{" and segment:
                params[part[1:-1]] = segment
            elif part != segment:
                break
        else:
            return route, params
    return None


def require_verb(route: ResourceRoute, received: Received) -> Verb:
    """What the effective method does here, or 405; HEAD does what GET does."""
    verb = route.verbs.get("GET" if received.method == "HEAD" else received.method)
    if verb is None:
        raise method_not_allowed(received.path)
    return verb
