"""`python -m tests.bench.stages`: the microseconds that the gateway's own stages take for one message create.

They are called in `gateway/handler.py`'s order with the benchmark's configuration, each a few thousand times
in a row, without I/O. Between aiohttp and the kernel each takes up to twice as long, because caches are cold.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import yaml

from gateway.config.compile import compile_snapshot
from gateway.config.loading.resolve import load_resolved
from gateway.exchange import Exchange, PhaseKind, new_request_id
from gateway.http.header_fields import build_answer_fields
from gateway.http.request_head import require_head
from gateway.identity.authentication import Caller, authenticate
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import log_exchange, open_log
from gateway.observe.metrics.registry import Metrics
from gateway.policy.addressing import resolve_address
from gateway.policy.authorization import authorize, authorize_form, match_route
from gateway.policy.bodies import finish_body, require_body_kind
from gateway.policy.methods import translate_method
from gateway.policy.outbound import build_outbound_head, join_body
from gateway.policy.snapshot import Snapshot
from gateway.twilio.message_segments import read_sent
from gateway.upstream.request_bytes import build_request
from tests.bench.processes import FIELDS, FORM, PATH, consumers
from tests.bench.upstream import ANSWER_BODY, ANSWER_FIELDS
from tests.support.running import ENVIRON, configuration

_ROUNDS = 9
_REPEATS = 2_000
T = TypeVar("T")


class Stopwatch:
    """Calls a stage many times, prints the best round's time for one call, and returns what it returns."""

    def __init__(self, repeats: int) -> None:
        self._repeats = repeats
        self.sum = 0.0

    def __call__(self, name: str, stage: Callable[[], T]) -> T:
        best = float("inf")
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            for _ in range(self._repeats):
                stage()
            best = min(best, time.perf_counter() - began)
        microseconds = best / self._repeats * 1e6
        self.sum += microseconds
        print(f"{name:<20} {microseconds:6.2f} µs")
        return stage()


def measure_policy(watch: Stopwatch, snapshot: Snapshot) -> None:
    """From the head to the bytes that are sent."""
    form = FORM.encode()
    headers = {"Host": "127.0.0.1:8080", **FIELDS, "Content-Length": str(len(form))}
    raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
    inbound = watch("require_head", lambda: require_head("POST", PATH, (1, 1), raw))
    caller = watch("authenticate", lambda: authenticate(snapshot.identities, inbound, 0.0))
    assert isinstance(caller, Caller)
    consumer = caller.consumer
    address = watch("resolve_address", lambda: resolve_address(snapshot.hosts, inbound))
    call = watch("translate_method", lambda: translate_method(inbound, address, consumer))
    route = watch("match_route", lambda: match_route(snapshot.catalogue, call))
    grant = watch("authorize", lambda: authorize(consumer, route, call))
    plan = watch("require_body_kind", lambda: require_body_kind(route, consumer, inbound, snapshot.limits))
    body = watch("finish_body", lambda: finish_body(plan, form))
    watch("authorize_form", lambda: authorize_form(grant, body))
    allowed = snapshot.request_fields.allowed_for(address.product)
    head = watch(
        "build_outbound_head",
        lambda: build_outbound_head(inbound, caller, grant, body.content_type, allowed=allowed),
    )
    outbound = watch("join_body", lambda: join_body(head, inbound, body, streams=False))
    watch("build_request", lambda: build_request(outbound, grant.account.keys[0]))
    lines = [line.partition(b": ") for line in ANSWER_FIELDS.splitlines()]
    fields = (*((name, value) for name, _, value in lines), (b"Content-Length", b"%d" % len(ANSWER_BODY)))
    watch("build_answer_fields", lambda: build_answer_fields(fields, len(ANSWER_BODY), keeps_length=False))


def measure_record(watch: Stopwatch) -> None:
    """The exchange's record, its metrics and its log line."""
    exchange = watch("Exchange", lambda: Exchange(0.0))
    exchange.request_id = watch("new_request_id", new_request_id)
    exchange.consumer, exchange.method, exchange.product, exchange.status = "app", "POST", "api", 201
    exchange.label = "/2010-04-01/Accounts/{AccountSid}/Messages"
    exchange.account = ENVIRON["TWILIO_ACCOUNT_SID"]
    exchange.twilio_request_id = "RQ00112233445566778899aabbccddeeff"
    exchange.attempts, exchange.credential, exchange.key = 1, "main", "SK0011…eeff"
    exchange.record_queue(PhaseKind.QUEUE, 0.0, 0.000_02)
    exchange.record_attempt(0.0, 0.021, 201, 0, "", "")
    exchange.ended_at = 0.022
    exchange.segments, exchange.country = watch("read_sent", lambda: read_sent(ANSWER_BODY))
    metrics = Metrics()
    watch("metrics", lambda: metrics.observe(exchange))
    descriptor = os.open(os.devnull, os.O_WRONLY)
    writer = LineWriter(descriptor)
    log = open_log(writer, "info", "json")
    watch("log line", lambda: log_exchange(log, exchange))
    writer.close()
    os.close(descriptor)


def _snapshot() -> Snapshot:
    with TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.yaml"
        config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", consumers=consumers())))
        return compile_snapshot(load_resolved(config, ENVIRON))


def main(arguments: Sequence[str] | None = None) -> int:
    """Always 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="few repeats: only to see that it runs")
    args = parser.parse_args(arguments)
    watch = Stopwatch(20 if args.short else _REPEATS)
    measure_policy(watch, _snapshot())
    measure_record(watch)
    print(f"{'sum':<20} {watch.sum:6.2f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
