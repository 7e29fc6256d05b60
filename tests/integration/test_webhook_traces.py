"""Spans of webhook events, as a collector gets them."""

import pytest

from tests.support.collector import Seen, collector
from tests.support.webhooks import SIGN_WITH, message, webhook_scene

SERVER, CLIENT = 2, 3
ROUTE = {"path": "/sms/orders", "account": "main", "sign_with": SIGN_WITH}


def _roots(spans: list[Seen]) -> list[Seen]:
    return [span for span in spans if not span.parent_id]


async def test_an_event_is_a_trace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its steps; without phone numbers, bodies, queries or paths that no route has."""
    async with collector() as collecting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        async with webhook_scene({**ROUTE, "to": "{service}/twilio/sms"}, tracing=True) as scene:
            answered = await scene.twilio.post("/sms/orders?secret=query", message())
            forged = await scene.twilio.post("/sms/orders", message(), token="f" * 32)
            nowhere = await scene.twilio.post("/private/path", message())
            assert [got.status for got in (answered, forged, nowhere)] == [200, 403, 404]
            spans = await collecting.until(lambda found: len(_roots(found)) == 3)
    by_status = {span.attributes["http.response.status_code"]: span for span in _roots(spans)}
    root = by_status[200]
    assert (root.name, root.kind, root.failed) == ("POST /sms/orders", SERVER, False)
    assert root.attributes["gateway.outcome"] == "relayed"
    assert root.attributes["gateway.resource_sid"] == message()["MessageSid"]
    steps = [span for span in spans if span.parent_id == root.span_id]
    assert {step.trace_id for step in steps} == {root.trace_id}
    assert all(root.began <= step.began <= step.ended <= root.ended for step in steps)
    assert [step.name for step in steps if step.kind == CLIENT] == ["service"]
    assert not by_status[403].failed
    assert by_status[403].attributes["gateway.reason"] == "signature"
    assert by_status[404].name == "POST {none}"
    written = repr(spans)
    assert not [text for text in ("secret=query", "private", message()["From"]) if text in written]


async def test_a_service_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collector() as collecting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        nothing = {**ROUTE, "to": "http://127.0.0.1:9/sms", "timeout": 1}
        async with webhook_scene(nothing, tracing=True) as scene:
            assert (await scene.twilio.post("/sms/orders", message())).status == 502
            (root,) = _roots(await collecting.until(lambda found: bool(_roots(found))))
    assert root.failed
    assert root.attributes["error.type"] == "unanswered"
    assert root.attributes["gateway.reason"] == "connect"
