"""What an error of ours tells beside its slug: where the documentation is, and whom to ask (row D9)."""

import json
from typing import Any

import pytest

from tests.support.caller import ask, request
from tests.support.running import running_gateway
from tests.support.upstream import RawUpstream

PAGE, CONTACT = "https://docs.example.com/gateway/errors", "#twilio on chat"
REQUESTS = {
    "unknown_address": request("GET /nothing"),
    "missing_key": request("GET /2010-04-01/Accounts.json", auth=None),
    "malformed_request": b"GET / HTTP/1.1\r\nBroken\r\n\r\n",
}


@pytest.mark.parametrize("slug", REQUESTS)
@pytest.mark.parametrize(
    ("settings", "more_info", "ends"),
    [
        ({"docs_url": PAGE, "contact": CONTACT}, f"{PAGE}#", f" Contact: {CONTACT}"),
        ({}, "docs/errors.md#", ""),
    ],
    ids=["configured", "default"],
)
async def test_d9_errors_lead_to_our_documentation(
    upstream: RawUpstream, settings: dict[str, Any], more_info: str, ends: str, slug: str
) -> None:
    async with running_gateway(upstream.url, **settings) as gateway:
        answer = await ask(gateway.port, REQUESTS[slug])
    body = json.loads(answer.body)
    assert (body["gateway_error"], body["more_info"]) == (slug, more_info + slug)
    assert body["message"].endswith(ends)
    assert ("Contact" in body["message"]) is bool(ends)
