"""The tours as the twilio package from PyPI takes them, with its sync client."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twilio.base.exceptions import TwilioRestException

from tests.clients.tour import VERIFY_SERVICE

SENDER, RECIPIENT = "+15553334444", "+15551112222"
TEXTS = ("one & 1", "two + 2", "drei ü €", "four%204", "five = 5")
PICTURES = ["https://example.com/a.jpg?x=1&y=2", "https://example.com/b.jpg"]
CONTENTS = [
    {"friendly_name": name, "language": "en", "types": {"twilio/text": {"body": "Hi {{1}} ü"}}}
    for name in ("one", "two")
]


def describe(error: TwilioRestException) -> dict[str, Any]:
    """What an SDK's exception says, without the words that the SDK puts in front."""
    return {"status": error.status, "code": error.code, "message": error.msg.partition(": ")[2]}


def failure_of(act: Callable[[], object]) -> dict[str, Any]:
    """How something fails that must fail."""
    try:
        act()
    except TwilioRestException as error:
        return describe(error)
    raise AssertionError("no TwilioRestException")


def messages(client: Any) -> dict[str, Any]:
    """Create, fetch, list, redact, delete; then what is gone."""
    sids: list[str] = []
    for text in TEXTS:
        media = {"media_url": PICTURES} if not sids else {}
        sids.append(client.messages.create(to=RECIPIENT, from_=SENDER, body=text, **media).sid)
    one = client.messages(sids[0])
    fetched = one.fetch()
    return {
        "distinct": len(set(sids)),
        "fetched": fetched.body,
        "media": fetched.num_media,
        "listed": [message.body for message in client.messages.list(page_size=2)],
        "updated": one.update(body="").body,
        "deleted": one.delete(),
        "then": failure_of(one.fetch),
    }


def filtered(client: Any) -> dict[str, Any]:
    """A list with filters, whose names hold `<` and `>`, over two pages."""
    for to in (RECIPIENT, SENDER, RECIPIENT):
        client.messages.create(to=to, from_=SENDER, body=f"to {to}")
    after = datetime(2020, 1, 1, tzinfo=UTC)
    listed = client.messages.list(to=RECIPIENT, date_sent_after=after, page_size=1)
    return {"listed": [message.body for message in listed]}


def calls(client: Any) -> dict[str, Any]:
    """Create, fetch, end, list, delete."""
    made = [
        client.calls.create(to=RECIPIENT, from_=SENDER, url="https://example.com/twiml") for _ in range(2)
    ]
    one = client.calls(made[0].sid)
    return {
        "status": one.fetch().status,
        "updated": one.update(status="completed").status,
        "listed": [call.status for call in client.calls.list(page_size=1)],
        "deleted": one.delete(),
    }


def numbers(client: Any) -> dict[str, Any]:
    """Buy, fetch, rename, list, release."""
    bought = [client.incoming_phone_numbers.create(phone_number=f"+1555000000{digit}") for digit in (1, 2, 3)]
    one = client.incoming_phone_numbers(bought[0].sid)
    return {
        "fetched": one.fetch().phone_number,
        "updated": one.update(friendly_name="front desk").friendly_name,
        "listed": [number.friendly_name for number in client.incoming_phone_numbers.list(page_size=1)],
        "deleted": one.delete(),
    }


def services(client: Any) -> dict[str, Any]:
    """The same on a product host, whose next page is an absolute URL."""
    resource = client.messaging.v1.services
    made = [resource.create(friendly_name=f"service {digit}") for digit in range(1, 6)]
    one = resource(made[0].sid)
    return {
        "fetched": one.fetch().friendly_name,
        "updated": one.update(friendly_name="first").friendly_name,
        "listed": [service.friendly_name for service in resource.list(page_size=2)],
        "deleted": one.delete(),
        "then": failure_of(one.fetch),
    }


def contents(client: Any) -> dict[str, Any]:
    """A JSON route."""
    resource = client.content.v1.contents
    made = [resource.create(content_create_request=make_content(body)) for body in CONTENTS]
    one = resource(made[0].sid)
    return {
        "fetched": one.fetch().types,
        "listed": [content.friendly_name for content in resource.list(page_size=1)],
        "deleted": one.delete(),
    }


def make_content(body: dict[str, Any]) -> Any:
    """The SDK's own value for the JSON body."""
    from twilio.rest.content.v1.content import ContentList

    return ContentList.ContentCreateRequest(body)


def verifications(client: Any) -> dict[str, Any]:
    """Start a verification."""
    started = client.verify.v2.services(VERIFY_SERVICE).verifications.create(to=RECIPIENT, channel="sms")
    return {"status": started.status, "to": started.to}


def identities(client: Any, named: list[str]) -> list[int]:
    """Users by identity: a path with whatever people call themselves. None of them exists."""
    users = client.conversations.v1.users
    return [failure_of(users(identity).fetch)["code"] for identity in named]


TAKE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "messages": messages,
    "filtered": filtered,
    "calls": calls,
    "numbers": numbers,
    "services": services,
    "contents": contents,
    "verifications": verifications,
}
