"""Asking Twilio which of our keys it takes: after a refusal, and for `gateway check --online`.

Both send one read with one key, as an attempt would, and look only at the answer's status and code.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from yarl import URL

from gateway.background.unwaited import UnwaitedTasks
from gateway.consumers.credentials import Account, ApiKey, Credential, mask_sid
from gateway.errors import Refusal, UpstreamFailure
from gateway.policy.addressing import regional_suffix
from gateway.policy.outbound import Outbound
from gateway.retry.retry_policy import AUTHENTICATE, read_code
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.key_health import KeyEvent, KeyHealth
from gateway.upstream.own_read import read_once

_AT_ONCE = 4

WORKS, REFUSED, UNTRIED = "works", "refused", "not tried"

KeyHook = Callable[[KeyEvent, str, str], None]
"""(event, AccountSid, masked key SID)"""


class KeyTrial(NamedTuple):
    """One key of one account; SIDs are masked. `verdict` is one of the three above."""

    credential: str
    account: str
    key: str
    verdict: str
    detail: str


class KeyProbe:
    """Probes keys that were refused: only a second refusal disables a key for all. One per process."""

    def __init__(
        self, pool: ConnectionPool, health: KeyHealth, origin_of: Callable[[str], str], on_key: KeyHook
    ) -> None:
        self._pool = pool
        self._health = health
        self._origin_of = origin_of
        self._on_key = on_key
        self._running = UnwaitedTasks()

    def refused(self, outbound: Outbound, key: ApiKey) -> None:
        """A key was refused for one exchange: report it, and probe it unless that was done a moment ago."""
        self._on_key(KeyEvent.REFUSED, outbound.account.sid, key.label)
        now = asyncio.get_running_loop().time()
        read = self._health.due_probe(outbound.account, key, outbound.host, now)
        if read is not None:
            self._running.start(self._probe(outbound.account, key, *read))

    def apply(self, pool: ConnectionPool) -> None:
        """Another pool for the probes to come."""
        self._pool = pool

    async def close(self) -> None:
        """End the probes that run."""
        await self._running.close()

    async def _probe(self, account: Account, key: ApiKey, host: str, target: str) -> None:
        try:
            answer = await read_once(self._pool, self._origin_of(host), host, target, key)
            answer.close()
        except (UpstreamFailure, Refusal):
            return  # says nothing about the key
        now = asyncio.get_running_loop().time()
        if answer.status == 401 and read_code(answer.body) == AUTHENTICATE:
            self._health.disable(key, now)
            self._on_key(KeyEvent.DISABLED, account.sid, key.label)
        elif answer.status < 300 and self._health.is_disabled(key):
            self._health.restore(key)
            self._on_key(KeyEvent.RESTORED, account.sid, key.label)


async def try_keys(credentials: Iterable[Credential], options: TransportOptions) -> list[KeyTrial]:
    """Try every key of every account, as the gateway would reach Twilio. Takes `deadline_seconds` per try."""
    turn = asyncio.Semaphore(_AT_ONCE)
    pool = ConnectionPool(options)
    try:
        return await asyncio.gather(
            *(
                _try(pool, turn, credential, account, key)
                for credential in credentials
                for account in credential.accounts
                for key in account.keys
            )
        )
    finally:
        await pool.close()


async def _try(
    pool: ConnectionPool, turn: asyncio.Semaphore, credential: Credential, account: Account, key: ApiKey
) -> KeyTrial:
    host = "api" + regional_suffix(credential.region, credential.edge)
    target = f"/2010-04-01/Accounts/{account.sid}/Messages.json?PageSize=1"
    origin = str(pool.options.connect_to or URL.build(scheme="https", host=host))
    try:
        async with turn:
            answer = await read_once(pool, origin, host, target, key)
            answer.close()
    except (UpstreamFailure, Refusal) as error:
        reason = error.reason if isinstance(error, UpstreamFailure) else ""
        said = f"{host}: {error.slug.replace('_', ' ')}"
        verdict, detail = UNTRIED, f"{said} ({reason.replace('_', ' ')})" if reason else said
    else:
        verdict, detail = judge(answer.status, read_code(answer.body))
    return KeyTrial(credential.name, mask_sid(account.sid), key.label, verdict, detail)


def judge(status: int, code: int) -> tuple[str, str]:
    """What an answer to the read says of the key: (verdict, detail). Pure."""
    said = f"{status}/{code}" if code else str(status)
    if status < 300:
        return WORKS, ""
    if status == 401:
        return REFUSED, f"Twilio answered {said}: unknown, revoked, or a wrong secret"
    if status == 403:
        return WORKS, f"Twilio answered {said}: known, but it may not list messages"
    if status == 404:
        return REFUSED, f"Twilio answered {said}: not a key for this account"
    return UNTRIED, f"Twilio answered {said}"
