"""Reads the URLs that Twilio has been given: of numbers, messaging services and applications, by its API."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from yarl import URL

from gateway.consumers.credentials import Account, ApiKey, Credential
from gateway.errors import Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.policy.addressing import regional_suffix
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.own_read import read_once

_MAX_PAGES: Final = 200
_MAX_BYTES: Final = 8 << 20
_NUMBER: Final = ("voice_url", "voice_fallback_url", "sms_url", "sms_fallback_url", "status_callback")
_APPLICATION: Final = (*_NUMBER, "sms_status_callback", "message_status_callback")
_SERVICE: Final = ("inbound_request_url", "fallback_url", "status_callback")


class _Listing(NamedTuple):
    """`{}` in `path` stands for the account."""

    product: str
    path: str
    key: str
    name: str
    fields: tuple[str, ...]


_LISTINGS: Final = (
    _Listing("api", "/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", "incoming_phone_numbers",
             "phone_number", _NUMBER),
    _Listing("api", "/2010-04-01/Accounts/{}/Applications.json", "applications",
             "friendly_name", _APPLICATION),
    _Listing("messaging", "/v1/Services", "services", "friendly_name", _SERVICE),
)  # fmt: skip


class GivenUrl(NamedTuple):
    """One URL: the account, the resource's SID, its name or number, and the field that holds it."""

    account_sid: str
    sid: str
    name: str
    field: str
    url: str


class ListError(Exception):
    """A listing cannot be read; the text says which and why."""


async def read_given_urls(
    credential: Credential, options: TransportOptions
) -> AsyncIterator[GivenUrl | ListError]:
    """Of the account and its subaccounts. In the place of a listing that cannot be read is a `ListError`."""
    pool = ConnectionPool(options)
    try:
        for account in credential.accounts:
            if not account.keys:  # a file for the webhook role alone needs none
                yield ListError(
                    f"{account.sid}: `credentials` has no API key of this account to ask Twilio with; "
                    "add `keys`, or name a configuration that has them by --config"
                )
                continue
            for listing in _LISTINGS:
                try:
                    async for each in _read_listing(pool, credential, account, listing):
                        yield each
                except ListError as error:
                    yield error
    finally:
        await pool.close()


async def _read_listing(
    pool: ConnectionPool, credential: Credential, account: Account, listing: _Listing
) -> AsyncIterator[GivenUrl]:
    host = listing.product + regional_suffix(credential.region, credential.edge)
    target = f"{listing.path.format(account.sid)}?PageSize=100"
    for _ in range(_MAX_PAGES):
        page = await _read_page(pool, host, target, account.keys[0])
        for row in page.get(listing.key) or ():
            for field in listing.fields:
                if row.get(field):
                    yield GivenUrl(account.sid, row["sid"], row.get(listing.name) or "", field, row[field])
        following = page.get("next_page_uri") or (page.get("meta") or {}).get("next_page_url")
        if not following:
            return
        parts = urlsplit(following)
        target = f"{parts.path}?{parts.query}"


async def _read_page(pool: ConnectionPool, host: str, target: str, key: ApiKey) -> dict[str, Any]:
    """Raises `ListError`."""
    origin = str(pool.options.connect_to or URL.build(scheme="https", host=host))
    place = f"{host}{target.partition('?')[0]}"
    try:
        answer = await read_once(pool, origin, host, target, key)
        body = await _read_all(answer)
    except (UpstreamFailure, Refusal) as error:
        raise ListError(f"{place}: {error.slug.replace('_', ' ')}") from None
    if answer.status != 200:
        raise ListError(f"{place}: Twilio answered {answer.status}")
    try:
        found = json.loads(body)
    except ValueError:
        raise ListError(f"{place}: the answer is no JSON") from None
    if not isinstance(found, dict):
        raise ListError(f"{place}: the answer is no list")
    return found


async def _read_all(answer: Response) -> bytes:
    parts = [answer.body]
    rest = answer.rest
    size = len(answer.body)
    while rest is not None and not rest.at_end and size < _MAX_BYTES:
        parts.append(await rest.read())
        size += len(parts[-1])
    answer.close()
    return b"".join(parts)


def read_all_given(credential: Credential, options: TransportOptions) -> list[GivenUrl | ListError]:
    """`read_given_urls`, for a program without a loop."""

    async def collect() -> list[GivenUrl | ListError]:
        return [each async for each in read_given_urls(credential, options)]

    return asyncio.run(collect())
