"""Testing a key that Twilio refused, in the background: only a second no puts it aside for everybody."""

import asyncio
from collections.abc import Callable

from aiohttp import ClientError, ClientSession
from yarl import URL

from gateway.consumers.credentials import Account, ApiKey
from gateway.http.response import Response
from gateway.policy.outbound import Outbound
from gateway.retry.retry_policy import AUTHENTICATE, read_code
from gateway.upstream.attempt_deadline import Deadline
from gateway.upstream.key_health import KeyEvent, KeyHealth
from gateway.upstream.request_writer import build_wire
from gateway.upstream.response_reader import read_answer

_MOST_BYTES = 65_536

KeyHook = Callable[[KeyEvent, str, str], None]
"""(event, AccountSid, masked key SID)"""


class KeyTester:
    """One per process. `seconds` bounds each test; `origin_of` gives where a host is reached."""

    def __init__(
        self,
        session: ClientSession,
        keyring: KeyHealth,
        origin_of: Callable[[str], URL],
        seconds: float,
        on_key: KeyHook,
    ) -> None:
        self._session = session
        self._keyring = keyring
        self._origin_of = origin_of
        self._seconds = seconds
        self._on_key = on_key
        self._running: set[asyncio.Task[None]] = set()

    def refused(self, outbound: Outbound, key: ApiKey) -> None:
        """A key was refused for one exchange: say so, and test it unless that was done a moment ago."""
        self._on_key(KeyEvent.REFUSED, outbound.account.sid, key.label)
        now = asyncio.get_running_loop().time()
        read = self._keyring.due_test(outbound.account, key, outbound.host, now)
        if read is not None:
            task = asyncio.create_task(self._test(outbound, key, *read))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def apply(self, session: ClientSession, seconds: float) -> None:
        """Another session and bound for the tests to come."""
        self._session = session
        self._seconds = seconds

    async def close(self) -> None:
        """End the tests that run."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _test(self, refused: Outbound, key: ApiKey, host: str, target: str) -> None:
        probe = refused._replace(
            method="GET", effective="GET", host=host, target=target, fields=b"", body=b"", length=-1
        )
        try:
            answer = await self._read(probe, key)
        except (ClientError, TimeoutError, OSError, ValueError):
            return  # tells nothing about the key
        answer.close()
        self._judge(refused.account, key, answer)

    async def _read(self, probe: Outbound, key: ApiKey) -> Response:
        with Deadline(asyncio.get_running_loop().time() + self._seconds):
            response = await self._session.request(
                "GET", self._origin_of(probe.host), data=build_wire(probe, key, None), allow_redirects=False
            )
            return await read_answer(response, _MOST_BYTES, self._seconds)

    def _judge(self, account: Account, key: ApiKey, answer: Response) -> None:
        if answer.status == 401 and read_code(answer.body) == AUTHENTICATE:
            self._keyring.put_aside(key, asyncio.get_running_loop().time())
            self._on_key(KeyEvent.PUT_ASIDE, account.sid, key.label)
        elif answer.status < 300 and self._keyring.is_aside(key):
            self._keyring.restore(key)
            self._on_key(KeyEvent.RESTORED, account.sid, key.label)
