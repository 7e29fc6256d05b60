"""What happens to an event, top to bottom: route, body, signature, limits, delivery, answer.

An unverified sender gets nothing but a status. The log has the reason, and a hint at most once a second.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from gateway.consumers.rate_limit_rules import LimitKey
from gateway.errors import GatewayError, Refusal
from gateway.exchange import new_request_id
from gateway.http.request_head import Inbound, require_head
from gateway.listener.request import Request
from gateway.listener.request_body import expects_continue, read_body
from gateway.policy.bodies import BodyFormat, BodyPlan
from gateway.rate_limits.rate_limiter import RateLimiter
from gateway.webhooks.body_budget import BodyBudget
from gateway.webhooks.route_limits import RouteLimits
from gateway.webhooks.signature import SIGNATURE_FIELD
from gateway.webhooks.signature_hints import MAX_BODY_BYTES, Hint, find_hint
from gateway.webhooks.webhook_delivery import LARGE_BYTES, WebhookDelivery
from gateway.webhooks.webhook_fields import find_value
from gateway.webhooks.webhook_record import WebhookEvent, WebhookOutcome
from gateway.webhooks.webhook_repeats import WebhookAnswer
from gateway.webhooks.webhook_replies import outcome_of, unparsed_answer, write_answer, write_status
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules, nearest_route, split_target
from gateway.webhooks.webhook_verification import (
    ReceivedEvent,
    Verification,
    find_subject,
    is_status,
    make_suspect,
    verify_event,
)

_METHODS: Final = frozenset({"GET", "POST"})
_HINT_SECONDS: Final = 1.0
_MAX_HINTED_PATH: Final = 1_000
_PROMPT_SECONDS: Final = 0.001
"""A body that came faster has no step of its own."""


class _Unwelcome(Exception):
    """The event is answered by a status and nothing else."""

    def __init__(self, outcome: WebhookOutcome, status: int, retry_after: int = 0) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.status = status
        self.retry_after = retry_after


class WebhookObserver(Protocol):
    """Where events are reported, on the loop."""

    def webhook_finished(self, event: WebhookEvent) -> None:
        """An event has ended."""
        ...

    def webhook_hint(self, route: str, request_id: str, reason: str, hint: Hint) -> None:
        """What would have matched, of an event that could not be verified."""
        ...

    def fault(self, error: BaseException, request_id: str) -> None:
        """An unforeseen exception."""
        ...


class WebhookHandler:
    """Called once per request by the webhook port. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        rules: WebhookRules,
        delivery: WebhookDelivery,
        limiter: RateLimiter,
        observer: WebhookObserver,
        on_status: Callable[[str, str], object],
        clock: Callable[[], float] = time.perf_counter,
        *,
        body_seconds: float = 5.0,
    ) -> None:
        self.rules = rules
        """A reload replaces it; an event goes on by those that it began with."""
        self.draining = False
        self.in_flight = 0
        self.body_seconds = body_seconds
        self.limits = RouteLimits()
        self.delivery = delivery
        self._limiter = limiter
        self._observer = observer
        self._on_status = on_status
        self._clock = clock
        self._budget = BodyBudget()
        self._hint_at = -_HINT_SECONDS

    async def handle(self, request: Request) -> None:
        """Answer a request. Whatever happens, its record is finished once."""
        event = WebhookEvent(self._clock(), new_request_id())
        self.in_flight += 1
        try:
            answer = await self._receive(request, event)
            event.status = answer.status
            write_answer(request, answer, closes=self.draining)
        except _Unwelcome as refusal:
            event.outcome = refusal.outcome
            self._refuse(request, event, refusal.status, retry_after=refusal.retry_after)
        except GatewayError as refusal:
            event.outcome, event.reason = outcome_of(refusal.status), refusal.slug
            self._refuse(request, event, refusal.status, closes=True)
        except ConnectionError:
            event.outcome = WebhookOutcome.HUNG_UP
        except asyncio.CancelledError:
            event.outcome = WebhookOutcome.HUNG_UP  # by drain
            raise
        except Exception as fault:  # noqa: BLE001 - an unforeseen fault is a 500 that says nothing, too
            self._observer.fault(fault, event.request_id)
            event.outcome = WebhookOutcome.FAILED
            self._refuse(request, event, 500, closes=True)
        finally:
            self.in_flight -= 1
            event.bytes_in, event.bytes_out = request.body.total_bytes, request.sent_bytes
            event.finish(self._clock(), self._observer.webhook_finished)

    def refuse_unparsed(self, error: GatewayError, address: str) -> bytes:
        """Answer bytes that could not be parsed as a request; they are an event of their own."""
        event = WebhookEvent(self._clock(), new_request_id())
        event.outcome, event.status, event.reason = outcome_of(error.status), error.status, error.slug
        event.finish(self._clock(), self._observer.webhook_finished)
        return unparsed_answer(error.status)

    async def _receive(self, request: Request, event: WebhookEvent) -> WebhookAnswer:
        rules = self.rules
        request.caller.require_room()
        event.method = request.method if request.method in _METHODS else ""
        parts = split_target(request.target)
        route = rules.match(parts[0]) if parts is not None and event.method else None
        if parts is None or route is None:
            if parts is not None and any(name.lower() == SIGNATURE_FIELD for name, _ in request.raw_fields):
                self._hint_route(rules, parts[0], event.request_id)
            raise _Unwelcome(WebhookOutcome.NO_ROUTE, 404)
        event.route, event.account = route.path, route.account
        deadline = asyncio.get_running_loop().time() + route.timeout_seconds
        inbound = require_head(request.method, "/", request.version, request.raw_fields)
        if not route.reports and not find_value(inbound.fields, SIGNATURE_FIELD):
            event.reason = "signature_missing"
            raise _Unwelcome(WebhookOutcome.BAD_SIGNATURE, 403)
        with self._budget.hold(inbound, route.max_body_bytes):
            body = await self._read(request, inbound, route, event)
            target = request.target.encode("ascii")
            received = ReceivedEvent(request.method, *parts, target, inbound.fields, body)
            verification = await self._verify(rules, route, received, event)
        await self._admit(route, deadline)
        try:
            return await self.delivery.deliver(rules, route, received, verification, deadline, event)
        finally:
            self.limits.leave(route)

    async def _read(
        self, request: Request, inbound: Inbound, route: WebhookRoute, event: WebhookEvent
    ) -> bytes:
        """All of the body, within the route's bound and the time of one event."""
        if inbound.content_length is not None and inbound.content_length > route.max_body_bytes:
            raise _Unwelcome(WebhookOutcome.TOO_LARGE, 413)
        if not inbound.chunked and not inbound.content_length:
            return b""
        if expects_continue(inbound):
            request.send_continue()
        began = self._clock()
        plan = BodyPlan(BodyFormat.RAW, route.max_body_bytes)
        try:
            return await read_body(request.body, plan, self.body_seconds, route.timeout_seconds)
        finally:
            if self._clock() - began > _PROMPT_SECONDS:
                event.step("body", began, self._clock())

    async def _verify(
        self, rules: WebhookRules, route: WebhookRoute, received: ReceivedEvent, event: WebhookEvent
    ) -> Verification:
        if len(received.body) > LARGE_BYTES:
            verification = await asyncio.to_thread(verify_event, rules, route, received)
        else:
            verification = verify_event(rules, route, received)
        if verification.secret is not None:
            event.secret = verification.secret.origin
            event.sid = find_subject(verification.form)
            if event.sid and is_status(verification.form):
                self._on_status(route.sid, event.sid)
            return verification
        self._hint(rules, route, received, verification.reason, event.request_id)
        if not route.reports:
            event.reason = verification.reason
            raise _Unwelcome(WebhookOutcome.BAD_SIGNATURE, 403)
        event.would_refuse = verification.reason
        return verification

    def _hint_route(self, rules: WebhookRules, path: bytes, request_id: str) -> None:
        """Say which route a signed request misses; the path itself is a stranger's, and is not logged."""
        now = self._clock()
        if now - self._hint_at < _HINT_SECONDS or len(path) > _MAX_HINTED_PATH:
            return
        near = nearest_route(rules, path)
        if near is not None:
            self._hint_at = now
            hint = Hint("url", f"the path is close to {near.path}: a slash, capitals, or a doubled slash")
            self._observer.webhook_hint(near.path, request_id, "no_route", hint)

    def _hint(
        self, rules: WebhookRules, route: WebhookRoute, received: ReceivedEvent, reason: str, request_id: str
    ) -> None:
        """Say what would have matched: at most once a second, and not of long bodies."""
        now = self._clock()
        if now - self._hint_at < _HINT_SECONDS or len(received.body) > MAX_BODY_BYTES:
            return
        self._hint_at = now
        if reason == "account":
            hint = Hint("account", "it names another AccountSid than the route's account has")
        else:
            hint = find_hint(make_suspect(received), rules.address, route.secrets, rules.secrets)
        self._observer.webhook_hint(route.path, request_id, reason, hint)

    async def _admit(self, route: WebhookRoute, deadline: float) -> None:
        """Spend the route's limits; `RouteLimits.leave` follows."""
        if route.rate is not None:
            try:
                await self._limiter.admit_keys((LimitKey(route.rate, route.rate.key),), deadline)
            except Refusal as refusal:
                seconds = int(dict(refusal.headers)["Retry-After"])
                raise _Unwelcome(WebhookOutcome.RATE_LIMITED, 429, seconds) from refusal
        if not self.limits.enter(route):
            raise _Unwelcome(WebhookOutcome.BUSY, 503, 1)

    def _refuse(
        self,
        request: Request,
        event: WebhookEvent,
        status: int,
        *,
        closes: bool = False,
        retry_after: int = 0,
    ) -> None:
        event.status = status
        try:
            write_status(request, status, closes=closes or self.draining, retry_after=retry_after)
        except ConnectionError:
            event.outcome = WebhookOutcome.HUNG_UP
