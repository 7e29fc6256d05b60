"""A simulator on a real socket with three accounts and one key of each kind, and a caller for it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from twilio_simulator import KeyKind, SimulatedAccount, SimulatedKey, Simulator

MAIN = "AC" + "1" * 32
SUB = "AC" + "2" * 32
OTHER = "AC" + "3" * 32
MAIN_KEY, STANDARD_KEY, RESTRICTED_KEY = ("SK" + digit * 32 for digit in "123")
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 +0000

ACCOUNTS = (
    SimulatedAccount(
        MAIN,
        "main-token",
        (
            SimulatedKey(MAIN_KEY, "main-secret"),
            SimulatedKey(STANDARD_KEY, "standard-secret", KeyKind.STANDARD),
            SimulatedKey(
                RESTRICTED_KEY,
                "restricted-secret",
                KeyKind.RESTRICTED,
                ("/twilio/messaging/messages/create",),
            ),
        ),
    ),
    SimulatedAccount(SUB, "sub-token", friendly_name="Sub", parent=MAIN),
    SimulatedAccount(OTHER, "other-token"),
)
MESSAGE = {"To": "+15551112222", "From": "+15553334444", "Body": "hello"}


def basic(username: str, password: str) -> str:
    """The value of a Basic Authorization header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def account_path(rest: str = "", sid: str = MAIN) -> str:
    """A path of the 2010 API under an account."""
    return f"/2010-04-01/Accounts/{sid}{rest}"


@dataclass(frozen=True)
class Reply:
    """What came back, read whole and not decompressed."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Caller:
    """Sends requests to the simulator as one account or key."""

    session: aiohttp.ClientSession
    base_url: str
    authorization: str | None = field(default_factory=lambda: basic(MAIN, "main-token"))

    async def send(
        self,
        method: str,
        path: str,
        *,
        host: str = "api.twilio.com",
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Reply:
        """One request; `path` goes out as it stands."""
        sent = CIMultiDict({"Host": host, **(headers or {})})
        if self.authorization is not None:
            sent.setdefault("Authorization", self.authorization)
        async with self.session.request(
            method, self.base_url + path, headers=sent, allow_redirects=False, **kwargs
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, **kwargs: Any) -> Reply:
        """GET."""
        return await self.send("GET", path, **kwargs)

    async def post(self, path: str, **kwargs: Any) -> Reply:
        """POST."""
        return await self.send("POST", path, **kwargs)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator whose clock stands still."""
    async with Simulator(ACCOUNTS, now=lambda: NOW) as running:
        yield running


@pytest.fixture
async def caller(simulator: Simulator) -> AsyncIterator[Caller]:
    """A caller with the main account's Auth Token; it neither decompresses nor retries by itself."""
    async with aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
        timeout=aiohttp.ClientTimeout(total=20),
    ) as session:
        session._retry_connection = False
        yield Caller(session, simulator.url)
