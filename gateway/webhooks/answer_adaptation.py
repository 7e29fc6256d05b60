"""A service's answer as Twilio gets it: listed fields, and addresses that Twilio can reach. Pure."""

from typing import Final, NamedTuple

from gateway.http.content_coding import decode_at_once
from gateway.http.header_fields import find_field
from gateway.http.response import RawFields
from gateway.webhooks.cookie_fields import move_cookie
from gateway.webhooks.twiml_links import move_url, rewrite_twiml
from gateway.webhooks.twiml_text import is_twiml
from gateway.webhooks.webhook_fields import build_outward_fields
from gateway.webhooks.webhook_repeats import WebhookAnswer
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules

MAX_ANSWER_BYTES: Final = 1_048_576
"""Twilio takes 64 kB of TwiML; media that a service serves by a route may be longer."""


class ServiceAnswer(NamedTuple):
    """What a service answered. `fields` as they came."""

    status: int
    fields: RawFields
    body: bytes


class AdaptedAnswer(NamedTuple):
    """What goes back, how many URLs of it were replaced, and hosts in it that Twilio cannot reach."""

    answer: WebhookAnswer
    replaced_urls: int
    unreachable: tuple[str, ...]


def adapt_answer(
    answer: ServiceAnswer, rules: WebhookRules, route: WebhookRoute, inward_url: str, public_url: str
) -> AdaptedAnswer:
    """`inward_url` is what the service was called by, `public_url` what Twilio called."""
    status, fields, body = answer
    replaced: dict[bytes, bytes] = {}

    def change(name: bytes, value: bytes) -> bytes:
        return move_cookie(value, rules, route) if name == b"set-cookie" else replaced.get(name, value)

    coding = find_field(fields, b"content-encoding").lower()
    if coding not in (b"", b"identity"):  # it was asked not to
        plain = decode_at_once(body, coding, MAX_ANSWER_BYTES)
        if plain is None:
            lines = build_outward_fields(fields, change) + b"Content-Encoding: %b\r\n" % coding
            return AdaptedAnswer(WebhookAnswer(status, lines, body), 0, ())
        body = plain
    unreachable: tuple[str, ...] = ()
    replaced_urls = 0
    location = find_field(fields, b"location").decode("latin-1")
    if location:
        moved, host = move_url(location, rules, route, inward_url, public_url)
        if moved is not None:
            replaced[b"location"] = moved.encode("latin-1")
        unreachable = (host,) if host else ()
    if body and is_twiml(find_field(fields, b"content-type"), body):
        body, replaced_urls, more = rewrite_twiml(body, rules, route, inward_url, public_url)
        unreachable += more
    lines = build_outward_fields(fields, change)
    return AdaptedAnswer(WebhookAnswer(status, lines, body), replaced_urls, unreachable)
