"""Finished exchanges for the tests of what is made of them."""

from typing import Any

from gateway.exchange import Exchange


def finished(ended_at_epoch: float = 1000.0, seconds: float = 0.1, **values: Any) -> Exchange:
    """An exchange of the consumer `app` that was answered 200, with other values where given."""
    exchange = Exchange(500.0)
    exchange.consumer, exchange.status = "app", 200
    exchange.product, exchange.label, exchange.method = "api", "/Messages", "GET"
    exchange.ended_at, exchange.ended_at_epoch, exchange.finished = 500.0 + seconds, ended_at_epoch, True
    for name, value in values.items():
        setattr(exchange, name, value)
    return exchange
