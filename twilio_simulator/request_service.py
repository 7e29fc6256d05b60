"""One request, from its head to its answer.

The order is Twilio's as far as it can be seen: credentials, account, concurrency limit, then the resource.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random

from aiohttp import web

from twilio_simulator.answer_writer import closed_future, read_body, read_upload, reset, send
from twilio_simulator.concurrency_gate import ConcurrencyGate
from twilio_simulator.created_resources import ResourceStore
from twilio_simulator.directory import Directory, SimulatedCaller, require_permission
from twilio_simulator.fault_injection import Severed, retry_after, strike_after, strike_before
from twilio_simulator.faults import HEADER, Faults, FaultSyntaxError, Plan
from twilio_simulator.journal import Entry, Journal
from twilio_simulator.received_request import Received, account_in_path, read_head, require_body_kind
from twilio_simulator.rendering import RenderedAnswer, render
from twilio_simulator.resource_kinds import Context, Match
from twilio_simulator.resource_table import match_route, require_verb
from twilio_simulator.resource_values import Answer, ResourceBodyKind
from twilio_simulator.simulated_errors import TwilioError, not_found


@dataclass(slots=True)
class SimulatedExchange:
    """One request on its way: what was received, where it leads, and what it will meet."""

    request: web.BaseRequest
    received: Received
    entry: Entry
    match: Match | None
    plan: Plan = field(default_factory=dict)
    account_sid: str | None = None
    in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class RequestService:
    """Serves requests over the state that it is given."""

    store: ResourceStore
    faults: Faults
    journal: Journal
    gate: ConcurrencyGate
    directory: Directory
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    mint: Callable[[str], str]
    request_ids: Random
    may_act: Callable[[SimulatedExchange], bool]
    late_commits: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or sever its connection."""
        started = self.now()
        received = read_head(request)
        match = match_route(received)
        problem = await _take_body(request, received, match)
        exchange = SimulatedExchange(request, received, self.journal.begin(received), match)
        try:
            if problem is not None:
                raise problem
            answer = await self._decide(exchange)
        except TwilioError as error:
            self.journal.rejected_20429 += error.code == 20429
            answer = error.answer()
        except FaultSyntaxError as error:
            answer = TwilioError(400, 20001, str(error)).answer()
        except (Severed, ConnectionError, web.RequestPayloadError) as ending:
            outcome = ending.how if isinstance(ending, Severed) else "aborted"
            self.journal.finish(exchange.entry, None, outcome)
            reset(request)
            return web.Response()  # never sent: the connection is gone
        rendered = render(answer, received)
        self._add_headers(rendered, exchange, started)
        self.journal.finish(exchange.entry, rendered.status)
        return await send(request, rendered, exchange.plan, self.sleep)

    async def _decide(self, exchange: SimulatedExchange) -> Answer:
        received = exchange.received
        exchange.plan = self.faults.plan(
            received.headers.get(HEADER), received.method, received.path, received.host
        )
        caller = self.directory.authenticate(received.headers.get("Authorization"))
        named = account_in_path(received)
        self.directory.require_account(caller, named)
        account_sid = exchange.account_sid = named or caller.account.sid
        exchange.in_flight = self.gate.in_flight(account_sid)
        self.gate.enter(account_sid, self.faults.concurrency_limit)
        exchange.in_flight += 1
        try:
            return await self._process(exchange, caller)
        finally:
            self.gate.leave(account_sid)

    async def _process(self, exchange: SimulatedExchange, caller: SimulatedCaller) -> Answer:
        """Do it, in the account's slot, with whatever the plan puts before and after."""
        plan, closed = exchange.plan, closed_future(exchange.request)
        if plan:
            if "second-sender" in plan:
                self._act_for_another(exchange, caller)
            if "commit-late" in plan:
                self._commit_later(exchange, caller, float(plan["commit-late"]))
                raise Severed("reset")
            instead = await strike_before(plan, closed, self.sleep)
            if instead is not None:
                return instead
        service_seconds = self.faults.draw_service_seconds()
        if service_seconds > 0:
            await self.sleep(service_seconds)
        answer = await self._act(exchange, caller)
        return (await strike_after(plan, closed) or answer) if plan else answer

    async def _act(self, exchange: SimulatedExchange, caller: SimulatedCaller) -> Answer:
        if not self.may_act(exchange):
            raise Severed("reset")
        received = exchange.received
        if exchange.match is None:
            raise not_found(received.path)
        route, params = exchange.match
        verb = require_verb(route, received)
        require_permission(caller, verb.permission, guarded=route.guarded)
        if route.body is ResourceBodyKind.STREAM:
            received.upload = await read_upload(exchange.request)
        else:
            require_body_kind(received, route.body)
        return verb.action(self._context(exchange, caller, params))

    def _context(
        self, exchange: SimulatedExchange, caller: SimulatedCaller, params: Mapping[str, str]
    ) -> Context:
        return Context(
            self.store,
            self.directory,
            exchange.received,
            caller,
            params,
            self.now(),
            self.mint,
            exchange.plan,
        )

    def _act_for_another(self, exchange: SimulatedExchange, caller: SimulatedCaller) -> None:
        """Do the same for another program, whatever this request meets. Uploads are left out."""
        if exchange.match is None or exchange.match[0].body is ResourceBodyKind.STREAM:
            return
        route, params = exchange.match
        context = replace(self._context(exchange, caller, params), by_another=True)
        with suppress(TwilioError):  # what this request cannot do, the other could not do either
            require_verb(route, exchange.received).action(context)

    def _commit_later(self, exchange: SimulatedExchange, caller: SimulatedCaller, seconds: float) -> None:
        """Process the request after `seconds`, when its connection is long closed; uploads never."""
        if exchange.match is None or exchange.match[0].body is ResourceBodyKind.STREAM:
            return

        async def commit() -> None:
            await self.sleep(seconds)
            with suppress(TwilioError, Severed):  # nothing is left to answer
                await self._act(exchange, caller)

        task = asyncio.get_running_loop().create_task(commit())
        self.late_commits.add(task)
        task.add_done_callback(self.late_commits.discard)

    def _add_headers(self, rendered: RenderedAnswer, exchange: SimulatedExchange, started: float) -> None:
        """The headers that every answer of Twilio's has."""
        if exchange.in_flight is not None:
            rendered.headers.append(("Twilio-Concurrent-Requests", str(exchange.in_flight)))
        rendered.headers += (
            ("Twilio-Request-Id", f"RQ{self.request_ids.getrandbits(128):032x}"),
            ("Twilio-Request-Duration", f"{self.now() - started:.3f}"),
            ("X-API-Domain", f"{exchange.received.product}.twilio.com"),
            ("X-Home-Region", "us1"),
            ("Server", "TwilioSim"),
            *retry_after(exchange.plan),
        )


async def _take_body(request: web.BaseRequest, received: Received, match: Match | None) -> Exception | None:
    """Read the body unless the route streams it; a problem is returned, to be raised in its turn."""
    if match is not None and match[0].body is ResourceBodyKind.STREAM:
        return None
    try:
        received.body = await read_body(request)
    except web.HTTPRequestEntityTooLarge:
        return TwilioError(413, 20413, "Request body too large")
    except (ConnectionError, web.RequestPayloadError) as error:
        return error
    return None
