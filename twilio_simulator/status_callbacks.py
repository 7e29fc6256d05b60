"""The life of a message after it was accepted: its statuses, and the callbacks that tell of them.

Sent without a messaging service it is `sent`, then `delivered`, `undelivered` or `failed`; with one it is
`queued` first (https://www.twilio.com/docs/messaging/guides/track-outbound-message-status).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from twilio_simulator.created_resources import StoredResource
from twilio_simulator.resource_values import Form
from twilio_simulator.webhook_sender import WebhookSender

_ERROR_CODES: Final = {"undelivered": 30003, "failed": 30008}
_NUMBERS: Final = {"+15005550009": "undelivered", "+15005550010": "failed"}
"""Recipients of the simulator's whose messages do not arrive; all others' do."""


@dataclass(frozen=True, slots=True)
class CallbackTimes:
    """`seconds` between two callbacks. `shuffled`: they arrive in any order, as they may."""

    seconds: float = 0.2
    shuffled: bool = False


def statuses_of(form: Form) -> tuple[str, ...]:
    """What a message's status becomes, one after the other."""
    last = _NUMBERS.get(form.get("To", ""), "delivered")
    begin = ("queued",) if form.get("MessagingServiceSid") else ()
    return (*begin, last) if last == "failed" else (*begin, "sent", last)


class StatusCallbacks:
    """Follows messages that were created. `sleep` waits; `url` is for messages that name none."""

    def __init__(
        self,
        sender: WebhookSender,
        *,
        times: CallbackTimes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Random | None = None,
        url: str = "",
    ) -> None:
        self.sender = sender
        self.times = times or CallbackTimes()
        self._sleep = sleep
        self._random = random or Random(0)  # noqa: S311 - an order, no secret
        self._url = url
        self._running: set[asyncio.Task[None]] = set()

    def message_created(self, record: StoredResource, form: Form) -> None:
        """Begin to tell of a message. On the simulator's loop."""
        task = asyncio.get_running_loop().create_task(
            self._tell(record, form.get("StatusCallback") or self._url, statuses_of(form))
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settle(self) -> None:
        """Wait until every callback was sent."""
        while self._running:
            await asyncio.gather(*self._running)

    async def close(self) -> None:
        """Tell nothing more."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.sender.close()

    async def _tell(self, record: StoredResource, url: str, statuses: Sequence[str]) -> None:
        forms = [callback_form(record, status) for status in statuses]
        if self.times.shuffled:
            self._random.shuffle(forms)
        for form in forms:
            await self._sleep(self.times.seconds)
            record.fields["status"] = form["MessageStatus"]
            if form["MessageStatus"] == "sent":
                record.fields["date_sent"] = record.fields["date_created"]
            if url:
                await self.sender.send(url, form)
        record.fields["status"] = statuses[-1]


def callback_form(record: StoredResource, status: str) -> dict[str, str]:
    """The parameters of one status callback."""
    fields = record.fields
    form = {
        "AccountSid": str(fields["account_sid"]),
        "ApiVersion": "2010-04-01",
        "From": str(fields["from"] or ""),
        "MessageSid": record.sid,
        "MessageStatus": status,
        "SmsSid": record.sid,
        "SmsStatus": status,
        "To": str(fields["to"]),
    }
    if fields["messaging_service_sid"]:
        form["MessagingServiceSid"] = str(fields["messaging_service_sid"])
    if status in _ERROR_CODES:
        form["ErrorCode"] = str(_ERROR_CODES[status])
    return form
