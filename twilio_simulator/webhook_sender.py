"""Sends webhooks as Twilio does: signed, with cookies per call; on demand repeated, or signed wrongly.

Where a URL's host is reached is the tester's choice (`connect_to`); it is signed as it is.
"""

from __future__ import annotations

import secrets as chance
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from twilio_simulator.webhook_signing import WRONG_SIGNATURE, WebhookSecret, pick_secret, with_body_hash

_ANSWER_SECONDS: Final = 15.0
_FORM_TYPE: Final = "application/x-www-form-urlencoded; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class SentWebhook:
    """One request and its outcome; `status` is 0 without an answer."""

    url: str
    form: Mapping[str, str]
    status: int
    body: str = ""
    content_type: str = ""
    token: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)


class WebhookSender:
    """`async with WebhookSender([WebhookSecret("…")]) as sender`. `sent` is everything so far, oldest first.

    `repeats` is how often each event is sent again with the same `I-Twilio-Idempotency-Token`.
    """

    def __init__(
        self,
        secrets: Sequence[WebhookSecret],
        *,
        connect_to: str = "",
        random: Random | None = None,
        repeats: int = 0,
        wrong_signature: bool = False,
    ) -> None:
        self.secrets = tuple(secrets)
        self.sent: list[SentWebhook] = []
        self.repeats = repeats
        self.wrong_signature = wrong_signature
        self._connect_to = connect_to.rstrip("/")
        self._random = random or Random(chance.randbits(64))  # noqa: S311 - shares, no secret
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> WebhookSender:
        self._open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        method: str = "POST",
        cookies: Mapping[str, str] | None = None,
    ) -> SentWebhook:
        """An event, and its repeats; the answer to the first. A GET has its parameters in the query."""
        body: bytes | None = urlencode(form).encode()
        signed: Mapping[str, str] | None = form
        kind = _FORM_TYPE
        if method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(form)
            body, signed, kind = None, None, ""
        return await self._send_all(method, url, form, signed, body, kind, cookies or {})

    async def send_json(self, url: str, body: bytes) -> SentWebhook:
        """A JSON event, covered by its hash in the query."""
        return await self._send_all("POST", with_body_hash(url, body), {}, None, body, "application/json", {})

    async def _send_all(
        self,
        method: str,
        url: str,
        form: Mapping[str, str],
        signed: Mapping[str, str] | None,
        body: bytes | None,
        kind: str,
        cookies: Mapping[str, str],
    ) -> SentWebhook:
        fields = pick_secret(self.secrets, self._random).sign(url, signed)
        if self.wrong_signature:
            fields["X-Twilio-Signature"] = WRONG_SIGNATURE
        fields |= {"I-Twilio-Idempotency-Token": chance.token_hex(16), "User-Agent": "TwilioProxy/1.1"}
        fields |= {"Accept": "*/*", "X-Home-Region": "us1"} | ({"Content-Type": kind} if kind else {})
        if cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        found = [
            await self._send_once(method, url, form, body, fields, cookies) for _ in range(1 + self.repeats)
        ]
        return found[0]

    async def _send_once(
        self,
        method: str,
        url: str,
        form: Mapping[str, str],
        body: bytes | None,
        fields: Mapping[str, str],
        cookies: Mapping[str, str],
    ) -> SentWebhook:
        token = fields["I-Twilio-Idempotency-Token"]
        parts = urlsplit(url)
        reached = url
        if self._connect_to:
            reached = self._connect_to + url.partition("://")[2][len(parts.netloc) :]
        try:
            async with self._open().request(
                method,
                URL(reached, encoded=True),
                data=body,
                headers={**fields, "Host": parts.netloc},
                allow_redirects=False,
            ) as answer:
                text = await answer.text(errors="replace")
                kept = {**cookies, **{name: morsel.value for name, morsel in answer.cookies.items()}}
                sent = SentWebhook(url, form, answer.status, text, answer.content_type, token, kept)
        except (aiohttp.ClientError, TimeoutError):
            sent = SentWebhook(url, form, 0, token=token, cookies=cookies)
        self.sent.append(sent)
        return sent

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
                connector=aiohttp.TCPConnector(limit=0, ssl=False),
                skip_auto_headers=("Content-Type",),
            )
        return self._session
