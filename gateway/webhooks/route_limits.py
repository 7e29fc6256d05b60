"""How many events of a route may come, and be under way: of verified ones, so that strangers spend nothing.

Counted in this process. Kept by the route's path, so that a reload forgets nothing. Pure.
"""

from gateway.webhooks.webhook_routes import RateLimit, WebhookRoute, WebhookRules


class RouteLimits:
    """`in_flight` is by path."""

    def __init__(self) -> None:
        self.in_flight: dict[str, int] = {}
        self._next: dict[str, float] = {}  # when the bucket is full again (GCRA's theoretical arrival time)

    def wait_seconds(self, route: WebhookRoute, now: float) -> float:
        """Spend the route's rate: 0 if the event is admitted, else after how long one would be (seconds)."""
        rate = route.rate
        if rate is None:
            return 0.0
        then = max(self._next.get(route.path, now), now) + rate.seconds
        wait = then - now - _tolerance(rate)
        if wait > 1e-9:
            return wait
        self._next[route.path] = then
        return 0.0

    def enter(self, route: WebhookRoute) -> bool:
        """Count an event in; False if it is one too many. `leave` follows where it was counted."""
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

    def forget(self, rules: WebhookRules) -> None:
        """Forget routes that are gone."""
        paths = {route.path for route in rules.routes}
        for path in self._next.keys() - paths:
            del self._next[path]


def _tolerance(rate: RateLimit) -> float:
    return rate.burst * rate.seconds
