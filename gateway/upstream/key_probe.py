"""Asking Twilio, once, which of our keys it takes: a read of each account's messages, with each key.

For `gateway check --online`. Says what became of each try; never shows what it tried with.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from aiohttp import ClientError, ClientSession
from yarl import URL

from gateway.consumers.credentials import Account, ApiKey, Credential, mask_sid
from gateway.policy.addressing import regional_suffix
from gateway.retry.retry_policy import read_code
from gateway.upstream.failure_translation import translate_failure
from gateway.upstream.request_writer import Wire
from gateway.upstream.response_reader import read_answer
from gateway.upstream.session import TransportOptions, open_session

_MOST_BYTES = 65_536
_AT_ONCE = 4

WORKS, REFUSED, UNTRIED = "works", "refused", "not tried"


class KeyTrial(NamedTuple):
    """One key of one account; SIDs are masked. `verdict` is one of the three above."""

    credential: str
    account: str
    key: str
    verdict: str
    detail: str


async def try_keys(credentials: Iterable[Credential], options: TransportOptions) -> list[KeyTrial]:
    """Try every key of every account, as the gateway would reach Twilio. Takes `deadline_seconds` per try."""
    turn = asyncio.Semaphore(_AT_ONCE)
    async with open_session(options) as session:
        return await asyncio.gather(
            *(
                _try(session, options, turn, credential, account, key)
                for credential in credentials
                for account in credential.accounts
                for key in account.keys
            )
        )


async def _try(
    session: ClientSession,
    options: TransportOptions,
    turn: asyncio.Semaphore,
    credential: Credential,
    account: Account,
    key: ApiKey,
) -> KeyTrial:
    host = "api" + regional_suffix(credential.region, credential.edge)
    target = f"/2010-04-01/Accounts/{account.sid}/Messages.json?PageSize=1"
    head = b"GET %b HTTP/1.1\r\nHost: %b\r\nAccept: application/json\r\nAuthorization: %b\r\n\r\n"
    wire = Wire(head % (target.encode(), host.encode(), key.authorization), b"", None, -1)
    origin = options.connect_to or URL.build(scheme="https", host=host)
    try:
        async with turn, asyncio.timeout(options.deadline_seconds):
            response = await session.request("GET", origin, data=wire, allow_redirects=False)
            answer = await read_answer(response, _MOST_BYTES, options.idle_seconds)
    except (ClientError, TimeoutError, OSError, ValueError) as error:
        failure = translate_failure(error, sent=wire.sent)
        verdict, detail = UNTRIED, f"{host}: {failure.slug.replace('_', ' ')} ({type(error).__name__})"
    else:
        answer.close()
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
