"""Sends a create that is like no other here, which nearly all are: a table entry is all that it costs.

What is to be remembered of it when it has ended, a hold does (`repeat_guard/repeat_hold.py`).
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from gateway.exchange import Ending, Exchange
from gateway.http.response import BodyRest, RawFields, Response
from gateway.policy.repeat_intent import WatchedCreate
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_hold import RepeatHold

_ANSWERED: Final = Ending.ANSWERED


class LoneCaller(Protocol):
    """A caller of whom the kernel can be asked whether its answer found it."""

    @property
    def was_there(self) -> bool:
        """Whether it was still connected when the answer was written."""
        ...


class LoneRequest(Protocol):
    """A request and its caller."""

    @property
    def caller(self) -> LoneCaller:
        """The connection that it came by."""
        ...


class LoneCreate(Protocol):
    """What is sent for a request."""

    @property
    def request(self) -> LoneRequest:
        """The request."""
        ...


_Create = TypeVar("_Create", bound=LoneCreate, contravariant=True)


class Sender(Protocol[_Create]):
    """Makes attempts; the bytes are field lines for the answer. `whole`: it is kept. Not `held`: nothing was
    entered that other replicas, or looks, know of."""

    def __call__(
        self, create: _Create, exchange: Exchange, /, *, whole: bool, held: bool
    ) -> Awaitable[tuple[Response, bytes]]: ...


async def send_alone(
    guard: RepeatGuard,
    watched: WatchedCreate,
    create: _Create,
    exchange: Exchange,
    send: Sender[_Create],
    relay: Callable[[Response, bytes, _Create, Exchange], Awaitable[None]],
    hold: Callable[[WatchedCreate, _Create, Exchange], RepeatHold],
) -> None:
    """Send it and write the answer; `begin_alone` has entered it. Raises what these do."""
    caller = create.request.caller
    answer: Response | None = None
    failed: BaseException | None = None
    delivered, status, content = False, 0, b""
    fields: RawFields = ()
    rest: BodyRest | None = None
    try:
        answer, lines = await send(create, exchange, whole=True, held=False)
        # What is rewritten for one caller is not rewritten for another.
        status, fields, content, rest = answer.status, answer.fields, answer.body, answer.rest
        await relay(answer, lines, create, exchange)
        delivered = exchange.ending is _ANSWERED and caller.was_there
    except BaseException as error:
        failed = error
        raise
    finally:
        if not (delivered and guard.end_alone(watched, status)):
            kept = None if answer is None else Response(status, answer.reason, fields, content, rest)
            entry = guard.name_alone(watched)
            assert entry is not None, "begin_alone has entered it"
            hold(watched, create, exchange).resume(entry, kept, failed, delivered=delivered)
