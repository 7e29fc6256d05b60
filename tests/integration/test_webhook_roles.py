"""`gateway serve --only data|webhooks`: what each role serves, and what it neither reads nor needs."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.support.running import ACCOUNT_SID, ENVIRON, configuration, serving
from tests.support.webhooks import (
    AUTH_TOKEN,
    SERVICE_SECRET,
    WEBHOOK_ENVIRON,
    TwilioSide,
    message,
    running_service,
    settings,
)

WEBHOOK_SECRETS = {"TWILIO_AUTH_TOKEN": AUTH_TOKEN, "ORDERS_WEBHOOK_SECRET": SERVICE_SECRET}


def write(folder: Path, service: str, **more: Any) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(
        yaml.safe_dump(
            configuration("http://127.0.0.1:9", webhooks=settings(service), log={"format": "json"}, **more)
        )
    )
    return path


async def fetch(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json() if "json" in answer.content_type else await answer.text()


async def test_the_webhook_role_reads_no_api_key(tmp_path: Path) -> None:
    """Neither key, consumer's reference, proxy nor data certificate is there; only what verifies webhooks."""
    missing = {
        "consumers": {"app": {"keys": [{"env": "NO_KEY"}], "credential": "main", "allow": ["everything"]}},
        "upstream": {"proxy": {"env": "NO_PROXY_URL"}, "ca_file": "none.pem"},
        "tls": {"cert_file": "none.crt", "key_file": "none.key"},
    }
    environ = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, **WEBHOOK_SECRETS}
    async with running_service() as service, aiohttp.ClientSession() as session:
        config = write(tmp_path, service.url, **missing)
        async with serving(config, environ, "--only", "webhooks") as spawned:
            started = next(line for line in spawned.capture.lines if line["event"] == "serving")
            assert started["url"] == ""
            twilio = TwilioSide(started["webhooks"], session)
            assert (await twilio.post("/sms/orders", message())).status == 200
            assert (await twilio.post("/sms/orders", message(), token="f" * 32)).status == 403
            assert service.seen[0].valid
            assert (await fetch(spawned.admin_url + "/readyz"))[0] == 200
            for name in ("state", "credentials", "consumers", "routes", "webhooks"):
                status, found = await fetch(f"{spawned.admin_url}/api/{name}")
                assert status == 200, found
            assert (await fetch(spawned.admin_url + "/metrics"))[0] == 200
            config.write_text(config.read_text().replace("/twilio/sms", "/moved/sms"))
            await spawned.capture.until(
                lambda lines: any(line["event"] == "configuration reloaded" for line in lines)
            )
            assert (await twilio.post("/sms/orders", message())).status == 200
            assert service.seen[-1].url == "/moved/sms"
            spawned.process.terminate()
            assert await asyncio.wait_for(spawned.process.wait(), 180) == 0


async def test_the_data_role_reads_no_webhook_secret(tmp_path: Path) -> None:
    config = write(tmp_path, "http://127.0.0.1:9")
    async with serving(config, ENVIRON, "--only", "data") as spawned:
        started = next(line for line in spawned.capture.lines if line["event"] == "serving")
        assert "webhooks" not in started
        status, found = await fetch(spawned.admin_url + "/api/webhooks")
        assert (status, found["listening"]) == (200, False)
        assert (await fetch(spawned.url + "/sms/orders"))[0] in (401, 404)


async def test_both_in_one_process(tmp_path: Path) -> None:
    async with (
        running_service() as service,
        aiohttp.ClientSession() as session,
        serving(write(tmp_path, service.url), WEBHOOK_ENVIRON) as spawned,
    ):
        started = next(line for line in spawned.capture.lines if line["event"] == "serving")
        got = await TwilioSide(started["webhooks"], session).post("/sms/orders", message())
        assert got.status == 200
        status, found = await fetch(spawned.admin_url + "/api/webhooks")
        assert status == 200
        (event,) = found["events"]
        assert (event["route"], event["outcome"]) == ("/sms/orders", "relayed")
        assert event["steps"][-1]["kind"] == "service"
        orders = next(route for route in found["routes"] if route["route"] == "/sms/orders")
        assert (orders["events"], orders["refused"]) == (1, 0)


def test_a_role_without_its_section_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9")))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(path), "--only", "webhooks"]
    run = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "has no `webhooks`, and nothing else is to be served" in run.stderr


def test_check_warns_of_routes_that_can_never_match(tmp_path: Path) -> None:
    common = {"account": "main", "to": "http://orders:8000/x", "sign_with": {"env": "ORDERS_WEBHOOK_SECRET"}}
    beneath = common | {"to": "http://orders:8000/**"}
    section = settings(
        "",
        common | {"path": "/a"},
        beneath | {"path": "/b/**"},
        common | {"path": "/b/c"},
        beneath | {"path": "/b/d/**"},
        common | {"path": "/a"},
        common | {"path": "/x/../y"},
    )
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", webhooks=section)))
    command = [sys.executable, "-m", "gateway", "check", "--json", "--config", str(path)]
    run = subprocess.run(command, env=WEBHOOK_ENVIRON, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    warnings = json.loads(run.stdout)["warnings"]
    found = {each["key"]: each["message"] for each in warnings if "webhooks" in each["key"]}
    assert found.keys() == {f"webhooks.routes.{index}" for index in (2, 3, 4)} | {"webhooks.routes.5.path"}
    assert all("can never match" in message for message in found.values())
