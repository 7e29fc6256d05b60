"""Delivery of a verified event: to its service, or by the first answer where Twilio sent it again.

What is answered when the service cannot is decided here, too. Knows nothing of the connection to Twilio.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.webhooks.answer_adaptation import adapt_answer
from gateway.webhooks.inward_client import InwardClient, ServiceFailure
from gateway.webhooks.inward_request import build_inward_request
from gateway.webhooks.shared_answers import SharedAnswers, SharedFlight
from gateway.webhooks.webhook_fields import IDEMPOTENCY_TOKEN, find_value
from gateway.webhooks.webhook_record import WebhookEvent, WebhookOutcome
from gateway.webhooks.webhook_repeats import WebhookAnswer, WebhookRepeats
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules
from gateway.webhooks.webhook_verification import ReceivedEvent, Verification

_PROMPT_SECONDS: Final = 0.01
"""A store that answered faster has no step of its own."""
LARGE_BYTES: Final = 16_384
"""A longer body is decoded, or scanned, by another thread: a mebibyte of escapes takes tenths of a second, in
which the interpreter gives the loop its turns. Twilio's events have a few KiB."""
_FALLBACK_FIELDS: Final = b"Content-Type: text/xml; charset=utf-8\r\n"


class WebhookDelivery:
    """One per process, on its loop. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        client: InwardClient,
        clock: Callable[[], float] = time.perf_counter,
        shared: SharedAnswers | None = None,
    ) -> None:
        self.repeats = WebhookRepeats(clock)
        self.shared = shared
        """What other replicas answered; None without a shared store."""
        self._client = client
        self._clock = clock

    async def deliver(
        self,
        rules: WebhookRules,
        route: WebhookRoute,
        received: ReceivedEvent,
        verification: Verification,
        deadline: float,
        event: WebhookEvent,
    ) -> WebhookAnswer:
        """What goes back to Twilio, by `deadline` (the loop's clock)."""
        token = find_value(received.fields, IDEMPOTENCY_TOKEN)
        if verification.secret is None or not token:
            return await self._ask(rules, route, received, verification, deadline, event)
        key = (route.path, verification.signature, token)
        while (first := self.repeats.find(key)) is not None:
            answer = await self._wait_for_first(first.answer, route, deadline, event)
            if answer is not None:
                return answer
        entry = self.repeats.begin(key)
        kept = None
        flight = None if self.shared is None else SharedFlight(key, verification.secret)
        try:
            if flight is not None:
                answer = await self._find_shared(flight, route, deadline, event)
                if answer is not None:
                    kept = answer if event.outcome is WebhookOutcome.REPEATED else None
                    return answer
            answer = await self._ask(rules, route, received, verification, deadline, event)
            if event.outcome is WebhookOutcome.RELAYED and answer.status < 500:
                kept = answer  # of anything else a repeat hopes for better
            return answer
        finally:
            self.repeats.end(key, entry, kept)
            if self.shared is not None and flight is not None:
                self.shared.end(flight, kept)

    async def _find_shared(
        self, flight: SharedFlight, route: WebhookRoute, deadline: float, event: WebhookEvent
    ) -> WebhookAnswer | None:
        """Another replica's answer, or what is said instead if that takes too long; None if it has none."""
        assert self.shared is not None
        began = self._clock()
        try:
            answer = await self.shared.find(flight, deadline)
        except TimeoutError:
            return _give_up(route, "timeout", event)
        finally:
            if self._clock() - began > _PROMPT_SECONDS:
                event.step("repeat", began, self._clock(), "replicas")
        if answer is not None:
            event.outcome = WebhookOutcome.REPEATED
        return answer

    async def _wait_for_first(
        self,
        first: "asyncio.Future[WebhookAnswer | None]",
        route: WebhookRoute,
        deadline: float,
        event: WebhookEvent,
    ) -> WebhookAnswer | None:
        """The first request's answer, None if it had none, or a stand-in if it takes too long."""
        began = self._clock()
        try:
            async with asyncio.timeout_at(deadline):
                answer = await asyncio.shield(first)
        except TimeoutError:
            return _give_up(route, "timeout", event)
        finally:
            event.step("repeat", began, self._clock())
        if answer is not None:
            event.outcome = WebhookOutcome.REPEATED
        return answer

    async def _ask(
        self,
        rules: WebhookRules,
        route: WebhookRoute,
        received: ReceivedEvent,
        verification: Verification,
        deadline: float,
        event: WebhookEvent,
    ) -> WebhookAnswer:
        """The service's answer as Twilio gets it, or what is said in its place."""
        method, url, fields, body = build_inward_request(route, received, verification, event.request_id)
        began = self._clock()
        try:
            answer = await self._client.call(route, method, url, fields, body, deadline, event)
        except ServiceFailure as failure:
            ended = self._clock()
            event.service_seconds = ended - began
            event.step("service", began, ended, failure.reason)
            return _give_up(route, failure.reason, event)
        ended = self._clock()
        event.service_seconds = ended - began
        event.step("service", began, ended, str(answer.status))
        event.outcome = WebhookOutcome.RELAYED
        public_url = (rules.address.url + received.target).decode("ascii")
        if len(answer.body) > LARGE_BYTES:
            adapted = await asyncio.to_thread(adapt_answer, answer, rules, route, url, public_url)
        else:
            adapted = adapt_answer(answer, rules, route, url, public_url)
        event.replaced_urls, event.unreachable = adapted.replaced_urls, adapted.unreachable
        return adapted.answer


def _give_up(route: WebhookRoute, reason: str, event: WebhookEvent) -> WebhookAnswer:
    """The route's fallback, else 502: Twilio then uses the fallback URL that it was given."""
    event.reason = reason
    if route.fallback is None:
        event.outcome = WebhookOutcome.UNANSWERED
        return WebhookAnswer(502, b"", b"")
    event.outcome = WebhookOutcome.FALLBACK
    return WebhookAnswer(200, _FALLBACK_FIELDS, route.fallback)
