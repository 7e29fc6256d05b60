"""Sends a create whose outcome Twilio can be asked about, and asks where the answer leaves it open.

The caller waits for what Twilio says up to its deadline: found is answered with the resource, as if nothing
had happened; absent says that nothing was done, so that the caller may send it again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.exchange import Exchange, PhaseKind
from gateway.http.response import Response
from gateway.outcome_resolution.look_schedule import BEFORE_DEADLINE_SECONDS
from gateway.outcome_resolution.look_verdict import Judgement, LookVerdict
from gateway.outcome_resolution.outcome_resolver import OutcomeResolver
from gateway.outcome_resolution.pursuit import Interruption, Pursuit
from gateway.outcome_resolution.twilio_looks import Turn
from gateway.policy.outbound import Outbound
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState
from gateway.repeat_guard.repeat_hold import RepeatHold
from gateway.repeat_guard.repeat_rules import SHARED_FIELD, RepeatEnding, ending_of_response, not_fetched
from gateway.twilio.created_sid import read_created_sid
from gateway.upstream.shared_state import CallerLink

FOUND_FIELD: Final = b"Gateway-Outcome: found\r\n"
"""The field line of an answer that was read from Twilio, because the create's own was lost."""
ABSENT_FIELD: Final = b"Gateway-Outcome: absent\r\n"
"""The field line of an answer to a create that Twilio has no trace of."""
_FIRST_LOOK_SECONDS: Final = 1.0
"""An attempt in flight is not looked for before that, however short its deadline is."""
_NOT_SENT_SECONDS: Final = 0.5
"""How long to wait for a create that still waits for its turn."""
_RESEND_SECONDS: Final = 2.0
"""What must be left to send again."""

Sent = tuple[Response, bytes]
Send = Callable[[], Awaitable[Sent]]
"""Makes attempts; the bytes are field lines for the answer."""


class _Lost(NamedTuple):
    """An attempt that ended open: with an answer that does not say whether it was done, with a failure, or
    neither, where it was found in the meantime."""

    answer: Response | None = None
    fields: bytes = b""
    failure: UpstreamFailure | None = None


def absent_error() -> Refusal:
    """For a create whose answer was lost, and of which Twilio has no trace."""
    return Refusal(
        "upstream_absent",
        "No answer came, and Twilio has no trace of this request: it was not done. "
        "It is safe to send it again.",
        headers=(("Gateway-Outcome", "absent"),),
    )


class HeldCreate(Protocol):
    """What is sent, for whom and by when (the loop's clock)."""

    @property
    def outbound(self) -> Outbound:
        """The create."""
        ...

    @property
    def request(self) -> CallerLink:
        """Its caller."""
        ...

    @property
    def deadline(self) -> float:
        """When the caller must have an answer."""
        ...


async def answer_held(
    resolver: OutcomeResolver,
    hold: RepeatHold,
    create: HeldCreate,
    exchange: Exchange,
    send: Send,
) -> Sent:
    """What a create is answered that the repeat guard holds, unless it is plain: what an earlier one was
    answered or has made, or else what Twilio answers now. Raises what `send` does, and `Refusal`.
    """
    if hold.shared is not None:
        exchange.outcome = "shared"
        return hold.shared, SHARED_FIELD
    if hold.found:
        turn = turn_of(create)
        answer = await resolver.fetch(hold.describe(), hold.found, create.outbound.target, turn)
        if answer is None:
            raise not_fetched(hold.found)
        exchange.outcome = "found"
        return answer, FOUND_FIELD
    assert hold.outcome is not None, "a plain create is sent without this"
    return await AskedSend(resolver, hold, hold.outcome, create, exchange).run(send)


def turn_of(create: HeldCreate) -> Turn:
    """Looks are made in the name of the consumer that waits for them."""
    consumer = create.outbound.consumer
    return Turn(consumer.name, consumer.priority, create.deadline)


class AskedSend:
    """One create. `hold` is held meanwhile."""

    def __init__(
        self,
        resolver: OutcomeResolver,
        hold: RepeatHold,
        outcome: OpenOutcome,
        create: HeldCreate,
        exchange: Exchange,
    ) -> None:
        self._resolver = resolver
        self._hold = hold
        self._outcome = outcome
        self._outbound = create.outbound
        self._exchange = exchange
        self._caller = create.request
        self._deadline = create.deadline
        self._turn = turn_of(create)
        self._pursuit: Pursuit | None = None
        self._given_up: UpstreamFailure | None = None
        self._began = time.perf_counter()

    async def run(self, send: Send) -> Sent:
        """The answer and field lines for the caller. Raises what `send` does, and `Refusal` for absent."""
        resends = 1 if self._resolver.options.resends_absent else 0
        while True:
            lost = await self._send(send)
            if not isinstance(lost, _Lost):
                return lost
            judgement = await self._ask()
            if judgement.verdict is LookVerdict.FOUND:
                found = await self._found(judgement)
                if found is not None:
                    return found
            if judgement.verdict is not LookVerdict.ABSENT:
                return self._unknown(lost)
            if not resends or self._caller.gone or self._left() < _RESEND_SECONDS:
                return self._absent(lost)
            resends -= 1
            self._send_again()

    async def _send(self, send: Send) -> Sent | _Lost:
        """Send, and look while the answer is late."""
        loop = asyncio.get_running_loop()
        first_look = max(self._deadline - BEFORE_DEADLINE_SECONDS, loop.time() + _FIRST_LOOK_SECONDS)
        answer: Response | None = None
        fields, failure = b"", None
        self._given_up = None
        async with Interruption() as interruption:
            self._timer = loop.call_at(first_look, self._look_in_flight, interruption)
            self._hold.when_lapsed(partial(self._give_up, interruption))
            try:
                answer, fields = await send()
            except UpstreamFailure as error:
                if error.phase is FailurePhase.CONNECT or not self._exchange.in_doubt:
                    raise
                failure = error
            finally:
                self._timer.cancel()
                if self._pursuit is not None:
                    self._pursuit.on_found = None
                if not self._exchange.in_doubt:
                    self._drop_pursuit()
        if answer is not None and ending_of_response(answer.status, asks=True) is not RepeatEnding.OPEN:
            self._drop_pursuit()
            created = answer.status < 300
            self._hold.answered(answer, read_created_sid(answer.body) if created else "")
            return answer, fields
        return _Lost(answer, fields, failure or self._given_up)

    def _look_in_flight(self, interruption: Interruption) -> None:
        """Its answer is late: begin to look, and end the attempt if it is found. Not before it was sent."""
        if not self._exchange.in_doubt:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_NOT_SENT_SECONDS, self._look_in_flight, interruption)
            return
        self._outcome.started_at = self._attempt_start()
        self._pursuit = self._resolver.pursue(self._outcome, self._turn, self._exchange)
        self._pursuit.on_found = interruption.interrupt

    def _give_up(self, interruption: Interruption) -> None:
        """The store does not hear of this attempt: end it before another replica can say it was not done."""
        if self._exchange.in_doubt and not interruption.happened:
            self._given_up = UpstreamFailure(
                "upstream_lost",
                FailurePhase.SENT,
                "Redis could not be reached for so long that other replicas may take this request for ended: "
                "it was given up while Twilio's answer was awaited.",
            ).with_outcome(replayable=False)
            interruption.interrupt()

    async def _ask(self) -> Judgement:
        """Wait for what looks show, up to the deadline. The caller may leave meanwhile; others may wait."""
        outcome = self._outcome
        outcome.started_at = self._attempt_start()
        outcome.ended_at = self._resolver.outcomes.now()
        outcome.state = OutcomeState.OPEN  # to other replicas, should this one be killed meanwhile
        pursuit = self._pursuit
        if pursuit is None:
            pursuit = self._pursuit = self._resolver.pursue(outcome, self._turn, self._exchange)
        else:
            pursuit.changed()
        began = time.perf_counter()
        try:
            return await pursuit.decision(self._deadline)
        finally:
            self._exchange.upstream_seconds += time.perf_counter() - began

    async def _found(self, judgement: Judgement) -> Sent | None:
        """Twilio has it: its resource is the answer, if it can be read in time."""
        target = self._outbound.target
        began = time.perf_counter()
        answer = await self._resolver.fetch(self._outcome.subject, judgement.sid, target, self._turn)
        self._exchange.upstream_seconds += time.perf_counter() - began
        if answer is None:
            return None
        self._drop_pursuit()
        self._exchange.unknown, self._exchange.outcome = False, "found"
        self._resolver.count_end(OutcomeState.FOUND)
        self._hold.answered(answer, judgement.sid)
        return answer, FOUND_FIELD

    def _absent(self, lost: _Lost) -> Sent:
        """Twilio does not have it. The caller gets Twilio's own answer, if there was one."""
        if not self._resolver.options.holds_absent:  # else it is left to the guard like an open one
            self._drop_pursuit()
            self._resolver.count_end(OutcomeState.ABSENT)
            self._hold.absent()
        if lost.answer is None:
            raise absent_error()
        self._exchange.outcome = "absent"
        self._hold.answered(lost.answer)
        return lost.answer, lost.fields + ABSENT_FIELD

    def _unknown(self, lost: _Lost) -> Sent:
        """Nobody knows yet; the guard leaves it to the background."""
        if lost.answer is not None:
            self._exchange.unknown = True  # a field says so beside Twilio's answer
            self._hold.answered(lost.answer)
            return lost.answer, lost.fields
        raise lost.failure or UpstreamFailure(
            "upstream_lost",
            FailurePhase.SENT,
            "Twilio did what was asked, but its answer was lost and could not be read again in time.",
        ).with_outcome(replayable=False)

    def _send_again(self) -> None:
        """Another attempt, for the same intent."""
        self._drop_pursuit()
        outcome = self._outcome
        outcome.started_at, outcome.ended_at = self._resolver.outcomes.now(), 0.0
        outcome.empty_since = 0.0
        outcome.state = OutcomeState.IN_FLIGHT
        self._began = time.perf_counter()
        self._exchange.in_doubt = False

    def _drop_pursuit(self) -> None:
        pursuit, self._pursuit = self._pursuit, None
        if pursuit is not None:
            self._resolver.leave(pursuit)

    def _attempt_start(self) -> float:
        """When the last attempt began, on the clock of outcomes."""
        started_at = self._began
        for step in self._exchange.steps:
            if step.kind is PhaseKind.ATTEMPT:
                started_at = max(started_at, step.started_at)
            elif step.kind is not PhaseKind.LOOK:
                started_at = max(started_at, step.started_at + step.seconds)
        return self._resolver.outcomes.now() - (time.perf_counter() - started_at)

    def _left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()
