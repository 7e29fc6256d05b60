"""Row D8: what callers read when Twilio refuses the gateway's credential, or when a + was not escaped."""

from typing import Any

import pytest

from tests.support.attempts import GET, coded
from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.running import consumer, running_gateway
from tests.support.upstream import RawUpstream, Step, reply

CONTACT = "#messaging, ext. 12"


@pytest.mark.parametrize("contact", [{"contact": CONTACT}, {}], ids=["with-a-contact", "without"])
async def test_d8_a_refused_credential_is_not_the_callers(
    upstream: RawUpstream, contact: dict[str, Any]
) -> None:
    """Beside Twilio's answer, which is unchanged."""
    refused = coded(20003, "401 Unauthorized")
    async with running_gateway(upstream.url, **contact) as gateway:
        upstream.otherwise = refused
        told = await ask(gateway.port, GET)
        assert (told.status, told.slug) == (401, "")
        hint = told.value("Gateway-Hint")
        assert hint.startswith("Twilio refused the gateway's own API key, not yours")
        assert hint.endswith(f" Contact: {CONTACT}") is bool(contact)


@pytest.mark.parametrize("answer", [reply(b"{}", status="401 No"), coded(20404, "404 No"), reply(b"{}")])
async def test_d8_other_answers_have_no_hint(upstream: RawUpstream, answer: Step) -> None:
    upstream.otherwise = answer
    async with running_gateway(upstream.url) as gateway:
        assert (await ask(gateway.port, GET)).value("Gateway-Hint") == ""


@pytest.mark.parametrize(
    ("to", "is_told"),
    [("+15005550006", True), ("15005550006", True), ("%2B4915005550006", False), ("12345", False)],
)
async def test_d8_a_plus_that_was_not_escaped(upstream: RawUpstream, to: str, is_told: bool) -> None:
    async with running_gateway(upstream.url, consumers={"app": consumer(form={"to": ["+1"]})}) as gateway:
        told = await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=f"To={to}&Body=x".encode()))
    assert (told.status, told.slug) == (403, "form_rule")
    assert (b"a + in a form is written %2B" in told.body) is is_told
