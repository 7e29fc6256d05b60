"""How many verified events of a route may be under way; unverified ones do not count.

Counted in this process, by the route's path, so that a reload forgets nothing. Pure.
"""

from gateway.webhooks.webhook_routes import WebhookRoute


class RouteLimits:
    """`in_flight` is by path."""

    def __init__(self) -> None:
        self.in_flight: dict[str, int] = {}

    def enter(self, route: WebhookRoute) -> bool:
        """Count an event; False if it is over the limit. `leave` follows where it was counted."""
        count = self.in_flight.get(route.path, 0)
        if count >= route.concurrency:
            return False
        self.in_flight[route.path] = count + 1
        return True

    def leave(self, route: WebhookRoute) -> None:
        """An event has ended."""
        count = self.in_flight.get(route.path, 1) - 1
        if count:
            self.in_flight[route.path] = count
        else:
            self.in_flight.pop(route.path, None)
