"""What happens to a request, top to bottom: the product's table of contents (docs/design.md 3).

Each step takes what the one before returned. `policy/steps.py` knows the order of the decisions.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.consumers.rate_limit_rules import NO_LIMITS
from gateway.decisions import Decisions
from gateway.errors import GatewayError, UpstreamFailure
from gateway.exchange import Ending, Exchange, PhaseKind, new_request_id
from gateway.http.response import Response
from gateway.idempotency.keyed_requests import Idempotency
from gateway.identity.request_id import take_request_id, take_trace_context
from gateway.listener.body_reading import read_granted_body
from gateway.listener.error_answer import answer_error, render_unparsed
from gateway.listener.granted_request import GrantedRequest
from gateway.listener.request import Request
from gateway.listener.request_body import take_whole
from gateway.listener.response_relay import relay_answer, relay_rest
from gateway.listener.tunnel_opening import open_tunnel
from gateway.listener.tunnels import TunnelBounds
from gateway.observe.observers import Observers
from gateway.outcome_resolution.asked_send import answer_held
from gateway.outcome_resolution.lone_create import send_alone
from gateway.outcome_resolution.outcome_resolver import OutcomeResolver
from gateway.outcome_resolution.unheld_create import send_unheld
from gateway.policy.idempotency_key import Claim
from gateway.policy.outbound import wants_identity
from gateway.policy.repeat_intent import WatchedCreate, describe_create
from gateway.policy.snapshot import Snapshots
from gateway.policy.steps import check_body, prepare
from gateway.rate_limits.rate_limiter import RateLimiter
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_hold import RepeatHold
from gateway.retry.retry_policy import AUTHENTICATE, read_code
from gateway.self_service.usage_endpoint import UsageEndpoint
from gateway.stops.stop_table import StopTable
from gateway.stops.turn_check import TurnCheck
from gateway.upstream.forwarder import Forwarder
from gateway.upstream.response_rewriting import adapt_answer, find_base, is_adapted

# Asked for by name, a member costs 1,000 instructions.
_LIMIT: Final = PhaseKind.LIMIT
_ANSWERED: Final = Ending.ANSWERED


class Handler:
    """Called once per request by the data port."""

    def __init__(
        self,
        snapshots: Snapshots,
        stops: StopTable,
        decisions: Decisions,
        limiter: RateLimiter,
        idempotency: Idempotency,
        repeat_guard: RepeatGuard,
        resolver: OutcomeResolver,
        forwarder: Forwarder,
        observers: Observers,
        clock: Callable[[], float],
        usage: UsageEndpoint,
        tunnels: TunnelBounds | None = None,
    ) -> None:
        self._usage = usage
        self._tunnels = tunnels or TunnelBounds()
        self.draining = False
        self.in_flight = 0
        self._decisions = decisions
        self._turns = TurnCheck(snapshots, stops)
        self._limiter = limiter
        self._idempotency = idempotency
        self._repeat_guard = repeat_guard
        self._resolver = resolver
        self._snapshots = snapshots
        self._forwarder = forwarder
        self._observers = observers
        self._clock = clock

    async def handle(self, request: Request) -> None:
        """Answer a request. Whatever happens, its record is finished once."""
        exchange = Exchange(self._clock())
        if self._observers.records_addresses:
            exchange.address = request.caller.remote
        identities = self._snapshots.current.identities
        if given := request.individual_values(b"x-request-id"):
            exchange.request_id = take_request_id(given, identities, request.read_secrets())
        else:
            exchange.request_id = new_request_id()
        context = None
        if parents := request.individual_values(b"traceparent"):
            context = take_trace_context(parents, identities, request.read_secrets())
        exchange.trace = self._observers.begin_trace(context)
        self.in_flight += 1
        try:
            await self._exchange(request, exchange)
        except GatewayError as error:
            self._answer_error(error, request, exchange)
        except ConnectionError:
            exchange.ending = Ending.HUNG_UP
            if request.caller.too_slow:
                exchange.ending, exchange.slug = Ending.ABORTED, "slow_reader"
        except asyncio.CancelledError:
            exchange.ending = Ending.HUNG_UP if request.gone else Ending.ABORTED  # by drain
            raise
        except Exception as fault:  # noqa: BLE001 - an unforeseen fault is a 500 in our shape, too
            self._observers.fault(fault, exchange.request_id)
            unforeseen = GatewayError("internal_error", "The gateway failed; its log has this request id.")
            self._answer_error(unforeseen, request, exchange)
        finally:
            request.caller.cancels = False
            request.release()
            self.in_flight -= 1
            if request.caller.opening is None:  # else the exchanges are those inside the tunnel
                exchange.finish(self._clock(), self._observers.finish)

    def refuse_unparsed(self, error: GatewayError, address: str) -> bytes:
        """Head and body, in HTTP/1.0, for bytes that are no request: they are an exchange of their own."""
        exchange = Exchange(self._clock())
        exchange.request_id = new_request_id()
        exchange.address = address if self._observers.records_addresses else ""
        answer = render_unparsed(error, exchange, self._snapshots.current.error_help)
        exchange.finish(self._clock(), self._observers.finish)
        return answer

    async def _exchange(self, request: Request, exchange: Exchange) -> None:
        snapshot = self._snapshots.current
        request.caller.require_room()
        request.caller.cancels = True
        if request.method == "CONNECT":
            open_tunnel(request, snapshot, self._tunnels)
            return
        decisions = self._decisions
        found = decisions.recall(request, exchange, snapshot)
        decision, inbound, caller = found or await decisions.decide(request, exchange, snapshot)
        if decision is None:
            await self._usage.answer(inbound.method, caller.consumer, request, exchange)
            return
        grant = decision.grant
        plan, stream = decision.plan, None
        if request.body.complete and not plan.stream and not inbound.drops_body:  # without another coroutine
            body = check_body(grant, plan, take_whole(request.body, plan, request.hold), exchange)
        else:
            body, stream = await read_granted_body(
                request, exchange, snapshot, inbound, grant, plan, self._clock
            )
        self._turns.require_started(grant, body)
        asked = snapshot, inbound, request.caller.proofs, grant, body
        request.on_turn = partial(self._turns.require_known, *asked)
        trace = self._observers.upstream_trace(exchange.trace, request.individual_values)
        outbound, claim, watched, limit = prepare(
            snapshot, caller, inbound, grant, body,
            streams=stream is not None, client=decision.client, trace=trace, decision=decision,
        )  # fmt: skip
        urls, secure = (snapshot.public_url, request.base_url), request.caller.secure
        base = find_base(grant, inbound, snapshot.hosts, *urls, secure=secure)
        exchange.dropped = outbound.dropped
        deadline = asyncio.get_running_loop().time() + limit.seconds
        if limit.from_head:
            deadline -= self._clock() - exchange.started_at
        ask = GrantedRequest(grant, outbound, body, stream, request, deadline, base)
        if watched is not None:
            if self._repeat_guard.begin_alone(watched):
                send, relay = self._admit_and_send, self._relay
                await send_alone(self._repeat_guard, watched, ask, exchange, send, relay, self._hold)
            else:
                await self._send_guarded(watched, ask, exchange)
        elif claim is not None:
            await self._relay(*await self._send_once(claim, ask, exchange), ask, exchange)
        else:
            await self._relay(*await self._admit_and_send(ask, exchange), ask, exchange)

    async def _relay(self, answer: Response, fields: bytes, ask: GrantedRequest, exchange: Exchange) -> None:
        """Write an answer to the caller, with links rewritten and tokens concealed where that is due."""
        request = ask.request
        request.caller.cancels = True
        try:
            if ask.base is not None and is_adapted(answer, ask.grant, ask.base):
                hold = request.hold if ask.outbound.replayable else None
                answer = await adapt_answer(answer, ask.grant, ask.base, hold)
            if (rest := relay_answer(answer, request, exchange, fields, closes=self.draining)) is not None:
                await relay_rest(rest, request, exchange)
        finally:
            answer.close()
            exchange.bytes_in = request.body.total_bytes

    async def _send_guarded(self, watched: WatchedCreate, ask: GrantedRequest, exchange: Exchange) -> None:
        """Send a create without a key, unless the same one is in flight or its outcome is open."""
        hold = self._hold(watched, ask, exchange)
        ask.request.on_turn = hold.before_attempts(ask.request.on_turn)
        try:
            async with hold:
                if hold.is_plain:
                    answer, fields = await self._admit_and_send(ask, exchange, whole=True)
                    hold.answered(answer)
                else:
                    entered = hold.outcome is not None  # in report mode a repeat is not
                    send = partial(self._admit_and_send, ask, exchange, whole=True, held=entered)
                    answer, fields = await answer_held(self._resolver, hold, ask, exchange, send)
                await self._relay(answer, fields, ask, exchange)
                if exchange.ending is _ANSWERED and ask.request.was_there:
                    hold.delivered()
        finally:
            exchange.caller_seconds += hold.waited_seconds

    def _hold(self, watched: WatchedCreate, ask: GrantedRequest, exchange: Exchange) -> RepeatHold:
        seal = self._snapshots.current.seal
        describe = partial(describe_create, ask.grant, ask.outbound, watched.sought, seal)
        count = partial(self._observers.metrics.count_repeat, exchange.consumer, exchange.label)
        return self._repeat_guard.hold(
            watched.intent(), ask.deadline, lambda: exchange.in_doubt, on_event=count, describe=describe
        )

    async def _send_once(
        self, claim: Claim, ask: GrantedRequest, exchange: Exchange
    ) -> tuple[Response, bytes]:
        """Send a POST with an Idempotency-Key once, or replay its recorded result."""
        held = self._idempotency.hold(claim, deadline=ask.deadline, in_doubt=lambda: exchange.in_doubt)
        try:
            async with held:
                if held.replay is not None:
                    return held.replay, b""
                answer, fields = await self._admit_and_send(ask, exchange, whole=True)
                return await held.keep(answer), fields
        finally:
            exchange.caller_seconds += held.waited_seconds

    async def _admit_and_send(
        self, ask: GrantedRequest, exchange: Exchange, *, whole: bool = False, held: bool = False
    ) -> tuple[Response, bytes]:
        """Spend the rate limits, then make attempts. The bytes are the limits' fields for the answer.

        `whole`: the answer is kept, so not streamed. `held`: the guard has entered it, and records its SID.
        """
        grant, outbound, stream, deadline = ask.grant, ask.outbound, ask.stream, ask.deadline
        fields = b""
        limits = grant.consumer.limits
        if limits is not NO_LIMITS:
            asked = self._clock()
            fields, reported, exchange.limit = await self._limiter.admit(limits, grant, ask.body, deadline)
            exchange.record_queue(_LIMIT, asked, self._clock())
            exchange.reported = exchange.reported or reported
        try:
            whole = whole or grant.conceals  # a POST in flight is awaited to its end
            links = wants_identity(grant)
            if held or not grant.consumer.credential.is_looked_at:
                answer = await self._forwarder.send(
                    outbound, exchange, ask.request, deadline, stream, whole=whole, links=links
                )
            else:
                answer = await self._send_unheld(ask, exchange, whole=whole, links=links)
            if answer.status == 401 and read_code(answer.body) == AUTHENTICATE:
                fields += self._snapshots.current.error_help.credential_hint()
            return answer, fields
        except UpstreamFailure as failure:
            if stream is not None and stream.broke is not None:
                raise stream.broke from failure  # the caller's body broke off, not the upstream
            raise

    async def _send_unheld(
        self, ask: GrantedRequest, exchange: Exchange, *, whole: bool, links: bool
    ) -> Response:
        """Send what the guard does not look after: looks for other creates have to know of it."""
        send = partial(
            self._forwarder.send, ask.outbound, exchange, ask.request, ask.deadline, ask.stream, links=links
        )
        snapshot, outcomes = self._snapshots.current, self._resolver.outcomes
        return await send_unheld(self._repeat_guard, outcomes, ask, exchange, snapshot, send, whole=whole)

    def _answer_error(self, error: GatewayError, request: Request, exchange: Exchange) -> None:
        advice = self._snapshots.current.error_help
        answer_error(error, request, exchange, advice, closes=self.draining)
