"""The simulator as a whole: what it is made of, and how it starts, stops and forgets.

What happens to one request is in `request_service.py`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Final, Self

from aiohttp import web

from twilio_simulator.account_resources import account_fields, key_fields
from twilio_simulator.answer_writer import Acceptor
from twilio_simulator.concurrency_gate import ConcurrencyGate
from twilio_simulator.control import PREFIX, Controls, handle_control
from twilio_simulator.created_resources import ResourceStore
from twilio_simulator.dates import rfc2822_stamp
from twilio_simulator.directory import Directory
from twilio_simulator.faults import Faults
from twilio_simulator.journal import Journal
from twilio_simulator.request_service import RequestService, SimulatedExchange
from twilio_simulator.resource_values import Fields
from twilio_simulator.simulated_accounts import DEFAULT_ACCOUNT, SimulatedAccount
from twilio_simulator.status_callbacks import StatusCallbacks

_MAX_LINE_BYTES: Final = 64 * 1024
_LINGERING_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 0.05


class Simulator:
    """A Twilio-like upstream: `async with Simulator() as simulator: … simulator.url`.

    `now` gives Unix time and `sleep` waits; with a fixed `now` and `seed` every run gives the same answers.
    `store`, `faults`, `journal`, `gate` and `directory` are there to be scripted and read by tests.
    """

    def __init__(
        self,
        accounts: Iterable[SimulatedAccount] = (DEFAULT_ACCOUNT,),
        *,
        seed: int = 0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        journal_size: int = 1000,
        keep_records: int = 100_000,
        callbacks: StatusCallbacks | None = None,
    ) -> None:
        self._accounts = tuple(accounts)
        self._seed, self._now = seed, now
        self._sids = _generator(seed)
        self.store = ResourceStore(keep_records)
        self.callbacks = callbacks
        if callbacks is not None:
            self.store.on_message = callbacks.message_created
        self.faults = Faults(_generator(seed + 1))
        self.journal = Journal(journal_size)
        self.gate = ConcurrencyGate()
        self.directory = Directory()
        self._service = RequestService(
            store=self.store,
            faults=self.faults,
            journal=self.journal,
            gate=self.gate,
            directory=self.directory,
            now=now,
            sleep=sleep,
            mint=self._mint,
            request_ids=_generator(seed + 2),
            may_act=lambda exchange: self.may_act(exchange),
        )
        self.may_act: Callable[[SimulatedExchange], bool] = lambda _: True
        """Asked before a request is processed: if False, its connection is reset and nothing is done."""
        self._controls = Controls(self.faults, self.journal, self.store, self.counts, self.reset)
        self._open_accounts()
        self._running: set[asyncio.Task[object]] = set()
        self._acceptor: Acceptor | None = None
        self._listener: asyncio.Server | None = None
        self.url = ""

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen; port 0 takes a free one, and `url` tells which. Raises OSError if the port is taken."""
        acceptor = Acceptor(
            self._handle,
            access_log=None,
            auto_decompress=False,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            lingering_time=_LINGERING_SECONDS,
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(acceptor, host, port, ssl=tls, backlog=1024)
        self._acceptor = acceptor
        address, bound_port = self._listener.sockets[0].getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        self.url = f"{'https' if tls else 'http'}://{name}:{bound_port}"

    async def stop(self) -> None:
        """Stop listening, cut what is still open, return when nothing is left. Twice is no error."""
        listener, acceptor = self._listener, self._acceptor
        if listener is None or acceptor is None:
            return
        self._listener = self._acceptor = None
        listener.close()
        if self.callbacks is not None:
            await self.callbacks.close()
        running = [*self._running, *self._service.late_commits]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        acceptor.pre_shutdown()
        await acceptor.shutdown(_STOP_SECONDS)
        await listener.wait_closed()

    async def __aenter__(self) -> Self:
        if self._listener is None:
            await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    def reset(self) -> None:
        """Forget everything that happened: records, counts, journal, faults, keys made or revoked."""
        self._sids.seed(self._seed)
        for task in self._service.late_commits:
            task.cancel()
        self.store.clear()
        self.faults.clear()
        self.journal.clear()
        self.gate.max_concurrent = 0
        self._open_accounts()

    def counts(self) -> Fields:
        """What `GET /-/counts` answers."""
        return {
            "created": dict(self.store.created),
            "requests": self.journal.requests,
            "by_status": dict(self.journal.by_status),
            "rejected_20429": self.journal.rejected_20429,
            "max_concurrent": self.gate.max_concurrent,
        }

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(PREFIX):
            return await handle_control(self._controls, request)
        task = asyncio.current_task()
        assert task is not None  # aiohttp runs every handler in a task
        self._running.add(task)
        try:
            return await self._service.serve(request)
        finally:
            self._running.discard(task)

    def _mint(self, prefix: str) -> str:
        return f"{prefix}{self._sids.getrandbits(128):032x}"

    def _open_accounts(self) -> None:
        """Open the accounts given at the start, and show them and their keys as resources."""
        self.directory.clear()
        now = self._now()
        stamp = rfc2822_stamp(now)
        for account in self._accounts:
            self.directory.add(account)
            fields = account_fields(account, stamp)
            record = self.store.seed("accounts", account.sid, account.sid, now, fields)
            if account.parent is not None:
                self.store.share("accounts", account.parent, record)
            for key in account.keys:
                self.store.seed(
                    "keys", account.sid, key.sid, now, key_fields(key.sid, key.friendly_name, stamp)
                )


def _generator(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - chance that can be repeated is the point; nothing here is secret
