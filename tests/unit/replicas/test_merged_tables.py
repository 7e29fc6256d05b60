"""Tables of several replicas as one: sums, quantiles of all durations, and rows of other releases."""

from typing import Any

from gateway.observe.live.quantiles import bucket_of, value_of
from gateway.replicas.merged_tables import Tables, merge_tables, without_durations

FAST, SLOW = bucket_of(0.01), bucket_of(1.0)


def consumer(requests: int, bucket: int, **values: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "requests": requests,
        "rate": 0.5,
        "errors": 1,
        "refusals": 0,
        "p50": None,
        "p95": None,
        "durations": [(bucket, requests)],
        "limits": [{"name": "rate", "text": "5/s", "per": "consumer", "used": None}],
        "priority": "high",
        "last_at": 10.0,
        "sdks": [{"name": "twilio-python", "version": "9", "requests": requests}],
        **values,
    }


def test_consumers_are_summed() -> None:
    used = [{"name": "rate", "used": 0.4}]
    tables: dict[str, Tables] = {
        "a": {"consumers": [consumer(90, FAST)]},
        "b": {"consumers": [consumer(10, SLOW, last_at=20.0, limits=used, priority="low")]},
    }
    (row,) = merge_tables("consumers", tables)
    assert (row["requests"], row["rate"], row["errors"], row["last_at"]) == (100, 1.0, 2, 20.0)
    assert (row["p50"], row["p95"]) == (round(value_of(FAST), 6), round(value_of(SLOW), 6))
    assert row["sdks"] == [{"name": "twilio-python", "version": "9", "requests": 100}]
    assert (row["limits"][0]["used"], row["priority"], row["replicas"]) == (0.4, "high", ["a", "b"])
    assert "durations" not in row


def test_routes_and_codes_are_ordered_anew() -> None:
    def route(label: str, requests: int) -> dict[str, Any]:
        return {"product": "api", "route": label, "method": "GET", "requests": requests, "errors": 0}

    tables: dict[str, Tables] = {
        "a": {"routes": [route("/A", 3), route("/B", 1)], "codes": [{"code": 1, "count": 1, "last_at": 1.0}]},
        "b": {"routes": [route("/B", 9)], "codes": [{"code": 2, "count": 5, "last_at": 2.0}]},
    }
    assert [(row["route"], row["requests"]) for row in merge_tables("routes", tables)] == [
        ("/B", 10),
        ("/A", 3),
    ]
    assert [row["code"] for row in merge_tables("codes", tables)] == [2, 1]


def test_credentials_stay_apart() -> None:
    tables: dict[str, Tables] = {name: {"credentials": [{"name": "main"}]} for name in ("a", "b")}
    assert [row["replica"] for row in merge_tables("credentials", tables)] == ["a", "b"]


def test_a_table_or_field_that_another_release_does_not_have() -> None:
    odd: Any = {"consumers": [{"name": "app"}, "no row"], "routes": "no table"}
    tables: dict[str, Tables] = {"a": {"consumers": [consumer(1, FAST)]}, "b": odd}
    (row,) = merge_tables("consumers", tables)
    assert (row["requests"], row["replicas"]) == (1, ["a", "b"])
    assert merge_tables("routes", tables) == []


def test_rows_of_one_replica() -> None:
    (row,) = without_durations([consumer(1, FAST)], "a")
    assert ("durations" in row, row["replicas"]) == (False, ["a"])
