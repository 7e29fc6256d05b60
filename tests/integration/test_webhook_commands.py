"""`gateway explain-webhook` and `gateway webhooks audit`, as processes."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import yaml

from tests.support.running import ACCOUNT_SID, ENVIRON, configuration
from tests.support.webhooks import (
    AUTH_TOKEN,
    PUBLIC_URL,
    SECOND_TOKEN,
    SERVICE_SECRET,
    WEBHOOK_ENVIRON,
    message,
    settings,
    sign_form,
)
from twilio_simulator import SimulatedAccount, SimulatedKey, Simulator


async def run(
    folder: Path, *arguments: str, upstream: str = "http://127.0.0.1:9", environ: Any = None, **changes: Any
) -> tuple[int, str]:
    """Exit code and standard output."""
    config = folder / "gateway.yaml"
    section = settings("http://orders:8000")
    written = configuration(upstream, webhooks=section) | changes
    config.write_text(yaml.safe_dump({name: value for name, value in written.items() if value is not None}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, "--config", str(config),
        env={"PATH": os.environ["PATH"], **(WEBHOOK_ENVIRON if environ is None else environ)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("signed", "token", "code", "texts"),
    [
        (f"{PUBLIC_URL}/sms/orders?x=1", AUTH_TOKEN, 0, ["relayed", "orders:8000", "env:TWILIO"]),
        ("http://hooks.example.com/sms/orders?x=1", AUTH_TOKEN, 1, ["refused", "url: http for https"]),
        ("https://hooks.example.com:8443/sms/orders?x=1", AUTH_TOKEN, 1, ["refused", "url: port 8443"]),
        (f"{PUBLIC_URL}/sms/orders", AUTH_TOKEN, 1, ["refused", "url: the query left out"]),
        (f"{PUBLIC_URL}/sms/orders/?x=1", AUTH_TOKEN, 1, ["refused", "url: the path with a slash"]),
        (f"{PUBLIC_URL}/sms/orders?x=1", SECOND_TOKEN, 1, ["refused", "none: "]),
    ],
)  # fmt: skip
async def test_explain_webhook(tmp_path: Path, signed: str, token: str, code: int, texts: list[str]) -> None:
    form = message(Body="Hello", FromCity="")
    body = tmp_path / "body"
    body.write_text(urlencode(form))
    environ = {  # neither key nor consumer's secret
        name: WEBHOOK_ENVIRON[name]
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "ORDERS_WEBHOOK_SECRET")
    }
    found, output = await run(
        tmp_path, "explain-webhook", "--url", f"{PUBLIC_URL}/sms/orders?x=1",
        "--signature", sign_form(signed, form, token), "--body-file", str(body), environ=environ,
    )  # fmt: skip
    assert found == code, output
    for text in texts:
        assert text in output
    assert AUTH_TOKEN not in output
    assert SERVICE_SECRET not in output


async def test_explain_webhook_of_a_path_without_a_route(tmp_path: Path) -> None:
    code, output = await run(tmp_path, "explain-webhook", "--json", "--url", f"{PUBLIC_URL}/sms/orders/",
                             "--signature", "AAAA")  # fmt: skip
    found = json.loads(output)
    assert (code, found["verdict"], found["would_match"]) == (1, "no route", "url")
    assert "/sms/orders is close" in found["hint"]


async def test_audit(tmp_path: Path) -> None:
    """Numbers and services of the simulator; their URLs are good, bypass, have no route, or break."""
    key = SimulatedKey(ENVIRON["TWILIO_API_KEY"], ENVIRON["TWILIO_API_SECRET"])
    account = SimulatedAccount(ACCOUNT_SID, AUTH_TOKEN, (key,))
    async with Simulator([account]) as simulator, aiohttp.ClientSession() as session:
        login = aiohttp.encode_basic_auth(key.sid, key.secret)

        async def create(host: str, path: str, **form: str) -> None:
            headers = {"Authorization": login, "Host": host}
            async with session.post(simulator.url + path, data=form, headers=headers) as answer:
                assert answer.status == 201, await answer.text()

        numbers = f"/2010-04-01/Accounts/{ACCOUNT_SID}/IncomingPhoneNumbers.json"
        await create("api.twilio.com", numbers, PhoneNumber="+15005550001", SmsUrl=f"{PUBLIC_URL}/sms/orders",
                     VoiceUrl=f"{PUBLIC_URL}/voice/orders/start?x=s3cret")  # fmt: skip
        await create("api.twilio.com", numbers, PhoneNumber="+15005550002", SmsUrl="https://old.example.com/sms?k=s3cret",
                     VoiceUrl="http://hooks.example.com/voice/orders/start")  # fmt: skip
        applications = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Applications.json"
        await create("api.twilio.com", applications, FriendlyName="app", VoiceUrl="https://a.example.com/x")
        await create("messaging.twilio.com", "/v1/Services", FriendlyName="alerts",
                     InboundRequestUrl=f"{PUBLIC_URL}/sms/unknown")  # fmt: skip
        code, output = await run(tmp_path, "webhooks", "audit", "--json", "--all", upstream=simulator.url)
        found = json.loads(output)
        verdicts = {(row["name"], row["field"]): row["verdict"] for row in found["urls"]}
        assert verdicts == {
            ("+15005550001", "sms_url"): "relayed",
            ("+15005550001", "voice_url"): "relayed",
            ("+15005550002", "sms_url"): "bypasses",
            ("+15005550002", "voice_url"): "breaks",
            ("alerts", "inbound_request_url"): "no route",
            ("app", "voice_url"): "bypasses",
        }
        assert "s3cret" not in output
        assert (code, found["unread"]) == (1, [])


async def test_audit_with_the_file_of_the_webhook_role(tmp_path: Path) -> None:
    """It has no API key, so Twilio cannot be asked; the answer says what is missing."""
    changes: dict[str, Any] = {"credentials": {"main": {"account_sid": ACCOUNT_SID}}, "consumers": None}
    code, output = await run(tmp_path, "webhooks", "audit", **changes)
    assert (code, output.splitlines()[1:]) == (3, ["0 URLs, 0 relayed by the gateway, 0 not"]), output
    assert output.startswith(f"not read  {ACCOUNT_SID}: `credentials` has no API key of this account")
