"""The same operations for every client: what they report, and what Twilio must see of them.

A client's tour of a resource is a script of its own (`python_tour.py`, `node/tours.mjs`); each gives a value
made of JSON's types. Whatever the client and the way it was pointed at the gateway, both must be equal to
what stands here.
"""

from dataclasses import dataclass
from typing import Any, Final

VERIFY_SERVICE: Final = "VA" + "1" * 32
_ACCOUNT: Final = "api.twilio.com /2010-04-01/Accounts/{account}"
_SERVICES: Final = "messaging.twilio.com /v1/Services"
_FILTERS: Final = "To=%2B15551112222&DateSent%3E=2020-01-01T00%3A00%3A00Z"
_CONTENT: Final = "content.twilio.com /v1/Content"


@dataclass(frozen=True)
class Tour:
    """`result` is what the client reports; `reached` and `created` are what the simulator saw."""

    result: dict[str, Any]
    reached: list[str]
    created: dict[str, int]


def _missing(path: str) -> dict[str, Any]:
    """Twilio's 404 as an SDK's exception tells it."""
    return {"status": 404, "code": 20404, "message": f"The requested resource {path} was not found"}


def _pages(collection: str, size: int, count: int) -> list[str]:
    """The GETs of a list: the first, then what its links lead to."""
    first = f"GET {collection}?PageSize={size}"
    return [first, *(f"{first}&Page={number}&PageToken=PA…" for number in range(1, count))]


TOURS: Final = {
    "messages": Tour(
        result={
            "distinct": 5,
            "fetched": "one & 1",
            "media": "2",
            "listed": ["five = 5", "four%204", "drei ü €", "two + 2", "one & 1"],
            "updated": "",
            "deleted": True,
            "then": _missing("/2010-04-01/Accounts/{account}/Messages/SM….json"),
        },
        reached=[
            *[f"POST {_ACCOUNT}/Messages.json"] * 5,
            f"GET {_ACCOUNT}/Messages/SM….json",
            *_pages(f"{_ACCOUNT}/Messages.json", 2, 3),
            f"POST {_ACCOUNT}/Messages/SM….json",
            f"DELETE {_ACCOUNT}/Messages/SM….json",
            f"GET {_ACCOUNT}/Messages/SM….json",
        ],
        created={"messages": 5, "media_list": 2},
    ),
    "filtered": Tour(
        result={"listed": ["to +15551112222"] * 2},
        reached=[
            *[f"POST {_ACCOUNT}/Messages.json"] * 3,
            f"GET {_ACCOUNT}/Messages.json?{_FILTERS}&PageSize=1",
            f"GET {_ACCOUNT}/Messages.json?{_FILTERS}&PageSize=1&Page=1&PageToken=PA…",
        ],
        created={"messages": 3},
    ),
    "calls": Tour(
        result={
            "status": "queued",
            "updated": "completed",
            "listed": ["queued", "completed"],
            "deleted": True,
        },
        reached=[
            *[f"POST {_ACCOUNT}/Calls.json"] * 2,
            f"GET {_ACCOUNT}/Calls/CA….json",
            f"POST {_ACCOUNT}/Calls/CA….json",
            *_pages(f"{_ACCOUNT}/Calls.json", 1, 2),
            f"DELETE {_ACCOUNT}/Calls/CA….json",
        ],
        created={"calls": 2},
    ),
    "numbers": Tour(
        result={
            "fetched": "+15550000001",
            "updated": "front desk",
            "listed": ["+15550000003", "+15550000002", "front desk"],
            "deleted": True,
        },
        reached=[
            *[f"POST {_ACCOUNT}/IncomingPhoneNumbers.json"] * 3,
            f"GET {_ACCOUNT}/IncomingPhoneNumbers/PN….json",
            f"POST {_ACCOUNT}/IncomingPhoneNumbers/PN….json",
            *_pages(f"{_ACCOUNT}/IncomingPhoneNumbers.json", 1, 3),
            f"DELETE {_ACCOUNT}/IncomingPhoneNumbers/PN….json",
        ],
        created={"incoming_phone_numbers": 3},
    ),
    "services": Tour(
        result={
            "fetched": "service 1",
            "updated": "first",
            "listed": ["service 5", "service 4", "service 3", "service 2", "first"],
            "deleted": True,
            "then": _missing("/v1/Services/MG…"),
        },
        reached=[
            *[f"POST {_SERVICES}"] * 5,
            f"GET {_SERVICES}/MG…",
            f"POST {_SERVICES}/MG…",
            *_pages(_SERVICES, 2, 3),
            f"DELETE {_SERVICES}/MG…",
            f"GET {_SERVICES}/MG…",
        ],
        created={"services": 5},
    ),
    "contents": Tour(
        result={
            "fetched": {"twilio/text": {"body": "Hi {{1}} ü"}},
            "listed": ["two", "one"],
            "deleted": True,
        },
        reached=[
            *[f"POST {_CONTENT}"] * 2,
            f"GET {_CONTENT}/HX…",
            *_pages(_CONTENT, 1, 2),
            f"DELETE {_CONTENT}/HX…",
        ],
        created={"contents": 2},
    ),
    "verifications": Tour(
        result={"status": "pending", "to": "+15551112222"},
        reached=["POST verify.twilio.com /v2/Services/VA…/Verifications"],
        created={"verifications": 1},
    ),
}
CORE_TOURS: Final = ("messages", "filtered", "calls", "numbers")
"""Those of the 2010 API, whose links are relative: they work without a prefix, too."""

USERS: Final = "conversations.twilio.com /v1/Users"
IDENTITIES: Final = {
    "alice@example.com": ("alice@example.com", "alice@example.com"),
    "auth0|5f7c": ("auth0%7C5f7c", "auth0|5f7c"),
    "a[1]^": ("a%5B1%5D%5E", "a[1]^"),
    "o'neil (x), a:b*!$&=+~": ("o'neil%20(x),%20a:b*!$&=+~", "o'neil%20(x),%20a:b*!$&=+~"),
    "drei ü 😀": ("drei%20%C3%BC%20%F0%9F%98%80", "drei%20%C3%BC%20%F0%9F%98%80"),
    '"<{`}>"': ("%22%3C%7B%60%7D%3E%22", "%22%3C%7B%60%7D%3E%22"),
}
"""What stands in a path where a user's name goes, as Python's SDK and as Node's (WHATWG URL) write it."""
