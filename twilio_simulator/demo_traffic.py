"""Callers for a demonstration: a few services that send a gentle mix of requests, in waves and with mistakes.

They know a URL and their keys; that a gateway stands there is nothing to them. Twilio's part in the trouble
(a concurrency limit, slow answers, 503s) is set on the simulator's faults.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

import aiohttp

from twilio_simulator.faults import Faults

_ACCOUNT: Final = "/2010-04-01/Accounts/AC" + "0" * 32
_MESSAGES: Final = f"{_ACCOUNT}/Messages.json"
_WAVE_SECONDS: Final = 210.0
_BURST_EVERY_SECONDS: Final = 47.0
_ANSWER_SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True)
class DemoCall:
    """One kind of request. `weight` is its share of its service's requests."""

    weight: int
    method: str
    path: str
    form: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DemoService:
    """One caller: its mean requests per second, how many come at once in a burst, and what it asks for."""

    per_second: float
    calls: tuple[DemoCall, ...]
    burst: int = 0


def _message(to: str, body: str) -> dict[str, str]:
    return {"To": to, "From": "+15005550001", "Body": body}


_SEND: Final = DemoCall(6, "POST", _MESSAGES, _message("+15005550006", "Your order is on its way"))
SERVICES: Final[Mapping[str, DemoService]] = {
    "billing": DemoService(
        6.0,
        (
            _SEND,
            DemoCall(4, "GET", f"{_MESSAGES}?PageSize=20"),
            DemoCall(1, "GET", f"{_ACCOUNT}/Messages/SM{'0' * 32}.json"),
        ),
    ),
    "reminders": DemoService(
        7.0,
        (
            _SEND,
            DemoCall(
                2,
                "POST",
                f"{_ACCOUNT}/Calls.json",
                {"To": "+15005550006", "From": "+15005550001", "Url": "https://example.com/r"},
            ),
            DemoCall(1, "POST", _MESSAGES, _message("not a number", "hello")),
        ),
    ),
    "campaigns": DemoService(3.0, (_SEND,), burst=40),
    "crm": DemoService(
        5.0,
        (
            DemoCall(3, "GET", f"{_MESSAGES}?PageSize=5"),
            DemoCall(2, "GET", "/messaging/v1/Services"),
            DemoCall(1, "POST", f"{_ACCOUNT}/Keys.json", {"FriendlyName": "mine"}),
        ),
    ),
}
"""Whom a demonstration's configuration names as consumers."""


_AGENTS: Final[Mapping[str, str]] = {
    "billing": "twilio-python/9.13.0 (Linux x86_64) Python/3.11",
    "reminders": "twilio-node/5.10.0 (linux x64) node/22.1.0",
    "campaigns": "twilio-python/9.8.1 (Linux x86_64) Python/3.12",
    "crm": "twilio-ruby/7.6.0 (linux x86_64) Ruby/3.3.0",
}
"""What their SDKs say of themselves."""


def trouble(faults: Faults) -> None:
    """What the simulated Twilio does to them."""
    faults.concurrency_limit = 8
    faults.service_seconds, faults.service_sigma = 0.18, 0.5
    faults.add("status=503", probability=0.02)
    faults.add("delay=1.5", probability=0.006)
    faults.add("status=500", method="POST", probability=0.003)
    faults.add("reset-after", method="POST", probability=0.001)


class Traffic:
    """Runs until it is cancelled. `keys` are the services' passwords, by name."""

    def __init__(self, url: str, keys: Mapping[str, str], random: Random) -> None:
        self._url = url
        self._keys = keys
        self._random = random
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        """Send, for ever."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for name, service in SERVICES.items():
                group.create_task(self._drip(group, session, name, service))
                if service.burst:
                    group.create_task(self._burst(group, session, name, service))

    async def _drip(
        self, group: asyncio.TaskGroup, session: aiohttp.ClientSession, name: str, service: DemoService
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wave = 1 + 0.6 * math.sin(loop.time() * 2 * math.pi / _WAVE_SECONDS)
            await asyncio.sleep(self._random.expovariate(service.per_second * wave))
            group.create_task(self._send(session, name, service))

    async def _burst(
        self, group: asyncio.TaskGroup, session: aiohttp.ClientSession, name: str, service: DemoService
    ) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.3, 1) * _BURST_EVERY_SECONDS)
            for _ in range(service.burst):
                group.create_task(self._send(session, name, service))

    async def _send(self, session: aiohttp.ClientSession, name: str, service: DemoService) -> None:
        call = self._random.choices(service.calls, [each.weight for each in service.calls])[0]
        number = next(self._numbers)
        headers = {
            "Authorization": aiohttp.encode_basic_auth(name, self._keys[name]),
            "X-Request-Id": f"{name}-{number:06d}",
            "User-Agent": _AGENTS.get(name, "demo/1.0"),
        }
        form = dict(call.form) if call.form is not None else None
        if form is not None and "Body" in form:  # each is another message: the repeat guard holds equal ones
            form["Body"] += f" ({number})"
        elif form is not None and "Url" in form:  # and each call another call
            form["Url"] += f"?n={number}"
        with suppress(aiohttp.ClientError, TimeoutError):  # what went wrong is for the page to show
            async with session.request(
                call.method, self._url + call.path, data=form, headers=headers
            ) as answer:
                await answer.read()
