"""Follows a call's TwiML: Gather, Redirect, Record and Dial, as far as a test needs; other verbs are noted.

Each URL is resolved as Twilio does, by the one that was called; cookies are kept for the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree

from twilio_simulator.webhook_sender import SentWebhook, WebhookSender

_MAX_REQUESTS: Final = 20


@dataclass(slots=True)
class PlayedCall:
    """What a call came to: the verbs in their order, the requests, and why it ended."""

    verbs: list[str] = field(default_factory=list)
    requests: list[SentWebhook] = field(default_factory=list)
    ended: str = ""


@dataclass(frozen=True, slots=True)
class _Next:
    url: str
    form: Mapping[str, str]
    method: str


class CallPlayer:
    """`digits` are what the caller presses, one text for each Gather; without any left it times out."""

    def __init__(self, sender: WebhookSender, digits: tuple[str, ...] = ()) -> None:
        self._sender = sender
        self._digits: Iterator[str] = iter(digits)

    async def play(self, url: str, form: Mapping[str, str]) -> PlayedCall:
        """Call `url` and do what it says, to the end or for 20 requests."""
        played = PlayedCall()
        step: _Next | None = _Next(url, {}, "POST")
        cookies: Mapping[str, str] = {}
        while step is not None:
            if len(played.requests) == _MAX_REQUESTS:
                played.ended = "too many requests"
                return played
            sent = await self._sender.send(
                step.url, {**form, **step.form}, method=step.method, cookies=cookies
            )
            played.requests.append(sent)
            cookies = sent.cookies
            if sent.status != 200:
                played.ended = f"answered {sent.status}"
                return played
            try:
                verbs = list(ElementTree.fromstring(sent.body))  # noqa: S314 - a tester's own service
            except ElementTree.ParseError:
                played.ended = "no TwiML"
                return played
            step = self._follow(verbs, sent.url, played)
        played.ended = played.ended or "hung up"
        return played

    def _follow(self, verbs: list[ElementTree.Element], base: str, played: PlayedCall) -> _Next | None:
        """The next request; None at the end of the document."""
        for verb in verbs:
            played.verbs.append(verb.tag)
            if verb.tag == "Hangup":
                return None
            found = self._next(verb)
            if found is not None:
                url, form = found
                return _Next(urljoin(base, url), form, verb.get("method", "POST").upper())
        return None

    def _next(self, verb: ElementTree.Element) -> tuple[str, dict[str, str]] | None:
        action = verb.get("action", "")
        if verb.tag == "Redirect":
            return (verb.text or "").strip(), {}
        if verb.tag == "Gather":
            digits = next(self._digits, None)
            return None if digits is None else (action, {"Digits": digits})
        if verb.tag == "Record":
            recording = {"RecordingSid": "RE" + "0" * 32, "RecordingDuration": "3"}
            return action, {**recording, "RecordingUrl": "https://api.twilio.com/recording"}
        if verb.tag == "Dial" and action:
            return action, {"DialCallStatus": "completed", "DialCallSid": "CA" + "1" * 32}
        return None
