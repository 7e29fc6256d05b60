"""Clients, replicas and a ledger that stands for Twilio, for the state machines of the repeat guard.

A ledger counts the messages that were made. A client has one intention at a time, and calls until a definite
answer reaches it. `RepeatMachine` runs one guard; `repeat_machine_redis.py` two over a Redis, and
`repeat_machine_looks.py` adds looks at Twilio.
"""

import asyncio
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.errors import GatewayError
from gateway.http.response import Response
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_hold import RepeatHold
from tests.support.repeat_guard import INTENT, PLAIN
from tests.support.repeat_machine_calls import MADE, NOT_MADE, SCOPES, ClientCall, RepeatingClient


class RepeatMachine(RuleBasedStateMachine):
    """One gateway, without a store."""

    replicas = 1

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.faulted = False
        self.calm = False
        self.forgot = False
        self.callers: list[RepeatingClient] = []
        self.calls: list[ClientCall] = []
        self.made: Counter[str] = Counter()
        self.intended: Counter[str] = Counter()
        self.on_the_way: Counter[str] = Counter()
        self.guards = self.loop.run_until_complete(self._open())

    @initialize(calm=st.booleans())
    def choose(self, calm: bool) -> None:
        """Half of the runs are without faults: only there can messages be missed."""
        self.calm = calm

    async def _open(self) -> list[RepeatGuard]:
        return [RepeatGuard(RepeatGuardOptions(), lambda: self.now)]

    def intent(self, scope: str) -> RepeatIntent:
        """What a client with this scope means."""
        return INTENT._replace(scope=scope)

    def subject(self, scope: str) -> CreateSubject:
        """What is known of its create."""
        return PLAIN

    async def _carry_out(self, call: ClientCall) -> None:
        """One request, as the handler does it."""
        scope = call.caller.scope
        hold = self.guards[call.replica].hold(
            self.intent(scope),
            deadline=self.loop.time() + 60,
            in_doubt=lambda: call.in_doubt,
            on_event=lambda event: None,
            describe=lambda: self.subject(scope),
        )
        try:
            async with hold:
                answer = await self._answer_of(call, hold)
                if call.connected:
                    call.reading = self.loop.create_future()
                    await call.reading
                    call.reading = None
                if call.connected:
                    hold.delivered()
                    self._told(call.caller, answer)
        except (GatewayError, asyncio.CancelledError):
            return

    async def _answer_of(self, call: ClientCall, hold: RepeatHold) -> Response:
        """That of an identical request, or else Twilio's."""
        if hold.shared is not None:
            return hold.shared
        how = await self._send(call)
        call.in_doubt = how not in ("unreachable", "refused")
        ended = (MADE | NOT_MADE)[how]()
        if isinstance(ended, BaseException):
            raise ended
        answer: Response = ended
        hold.answered(answer)
        return answer

    def _told(self, caller: RepeatingClient, answer: Response) -> None:
        """It has the answer."""
        caller.done = answer.status < 500

    async def _send(self, call: ClientCall) -> str:
        scope = call.caller.scope
        self.on_the_way[scope] += 1
        assert self.forgot or self.on_the_way[scope] == 1, "two are on their way"
        call.end = self.loop.create_future()
        how = self._ended_as(call, await call.end)
        call.end = None
        self.on_the_way[scope] -= 1
        self.made[scope] += how in MADE
        return how

    def _ended_as(self, call: ClientCall, how: str) -> str:
        """What an attempt that ends so has come to."""
        return how

    def _turn(self) -> None:
        self.loop.run_until_complete(self._come_to_rest())

    async def _come_to_rest(self) -> None:
        """Let everything run that waits for nobody."""
        for _ in range(12):
            await asyncio.sleep(0)

    @rule(scope=st.sampled_from(SCOPES), replica=st.integers(0, 1))
    def intend(self, scope: str, replica: int) -> None:
        """Another client means a message, and calls."""
        caller = RepeatingClient(scope)
        self.callers.append(caller)
        self.intended[scope] += 1
        self._start(caller, replica)
        self._turn()

    def _start(self, caller: RepeatingClient, replica: int) -> None:
        call = caller.call = ClientCall(caller, replica % self.replicas)
        call.task = self.loop.create_task(self._carry_out(call))
        self.calls.append(call)

    def _idle(self) -> list[RepeatingClient]:
        """Clients that may call again: they have no definite answer."""
        return [each for each in self.callers if not each.done and not (each.call and each.call.runs)]

    @precondition(lambda self: self._idle())
    @rule(data=st.data(), replica=st.integers(0, 1))
    def call_again(self, data: st.DataObject, replica: int) -> None:
        """It means the same message still."""
        self._start(data.draw(st.sampled_from(self._idle()), label="who"), replica)
        self._turn()

    def _on_their_way(self) -> list[ClientCall]:
        return [each for each in self.calls if each.end is not None and not each.end.done()]

    @precondition(lambda self: self._on_their_way())
    @rule(how=st.sampled_from([*MADE, *NOT_MADE]), data=st.data())
    def end(self, how: str, data: st.DataObject) -> None:
        """An attempt ends."""
        how = "201" if self.calm else how
        self.faulted = self.faulted or how != "201"
        call = data.draw(st.sampled_from(self._on_their_way()), label="which")
        assert call.end is not None
        call.end.set_result(how)
        self._turn()

    def _reading(self) -> list[ClientCall]:
        return [each for each in self.calls if each.reading is not None and not each.reading.done()]

    @precondition(lambda self: self._reading())
    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        """All of it, at its caller."""
        reading = data.draw(st.sampled_from(self._reading()), label="which").reading
        assert reading is not None
        reading.set_result(None)
        self._turn()

    @precondition(lambda self: any(each.runs and each.connected for each in self.calls))
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        """A request that waits ends with its caller; one that was sent is awaited."""
        calling = [each for each in self.calls if each.runs and each.connected]
        self._leave(data.draw(st.sampled_from(calling), label="which"))
        self._turn()

    def _leave(self, call: ClientCall) -> None:
        call.connected = False
        call.caller.call = None
        if call.reading is not None:
            if not call.reading.done():
                call.reading.set_result(None)
        elif call.end is None:
            assert call.task is not None
            call.task.cancel()

    def _forget(self) -> None:
        """What was is no more known; what is meant by now is meant anew."""
        self.made.clear()
        self.intended.clear()
        for call in self._on_their_way():
            self.intended[call.caller.scope] += 1
        for caller in self.callers:
            if not caller.done:
                self.intended[caller.scope] += 1
        self.faulted = True

    @invariant()
    def never_more_than_one_message_an_intention(self) -> None:
        for scope, made in self.made.items():
            assert made <= self.intended[scope], (made, self.intended)

    @invariant()
    def no_request_failed(self) -> None:
        for call in self.calls:
            if call.task is not None and call.task.done() and not call.task.cancelled():
                call.task.result()

    def teardown(self) -> None:
        try:
            self._settle()
            self.no_request_failed()
            self.never_more_than_one_message_an_intention()
            if not self.faulted:
                assert self.made == self.intended, "exactly one without faults"
            self.loop.run_until_complete(self._close())
        finally:
            self.loop.close()

    async def _close(self) -> None:
        for guard in self.guards:
            await guard.close()

    def _settle(self) -> None:
        """Faults are over: nobody stays locked. Without any, a client that keeps calling gets its message."""

        async def settle() -> None:
            async with asyncio.timeout(120):
                while True:
                    await self._go_on()
                    for call in self._on_their_way():
                        assert call.end is not None
                        call.end.set_result("201")
                    for call in self._reading():
                        assert call.reading is not None
                        call.reading.set_result(None)
                    for caller in () if self.faulted else self._idle():
                        self._start(caller, 0)
                    await self._come_to_rest()
                    if not any(each.runs for each in self.calls) and (self.faulted or not self._idle()):
                        return

        self.loop.run_until_complete(settle())

    async def _go_on(self) -> None:
        """What else has to happen before all calls end."""
