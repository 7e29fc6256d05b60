"""The last events of Twilio's, for the page. The data loop appends, the admin thread copies."""

from collections import deque
from typing import Final

from gateway.observe.log.webhook_line import webhook_values
from gateway.webhooks.webhook_record import WebhookEvent

MOST_WEBHOOKS: Final = 1_000


class RecentWebhooks:
    """One of a process; `add` on the data loop, `as_json` on any thread."""

    def __init__(self, most: int = MOST_WEBHOOKS) -> None:
        self._kept: deque[WebhookEvent] = deque(maxlen=most)

    def add(self, event: WebhookEvent) -> None:
        """Keep an event, which is not changed any more."""
        self._kept.append(event)

    def as_json(
        self, most: int, route: str = "", outcome: str = "", request_id: str = ""
    ) -> list[dict[str, object]]:
        """Up to `most` events, newest first; an empty filter excludes nothing."""
        found: list[dict[str, object]] = []
        for event in reversed(self._kept.copy()):
            if (route and event.route != route) or (outcome and event.outcome != outcome):
                continue
            if request_id and event.request_id != request_id:
                continue
            found.append(_as_json(event))
            if len(found) >= most:
                break
        return found


def _as_json(event: WebhookEvent) -> dict[str, object]:
    steps = [
        {
            "kind": step.kind,
            "offset": round(step.started_at - event.started_at, 6),
            "seconds": round(step.seconds, 6),
            "detail": step.detail,
        }
        for step in event.steps
    ]
    return {"at": round(event.ended_at_epoch, 3), **webhook_values(event), "steps": steps}
