"""Airbyte's source only reads: the message is made here, by requests, which the source uses as well."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import requests

STREAMS = ("accounts", "messages", "calls", "recordings", "usage_records")
account, password, text = os.environ["ACCOUNT"], os.environ["PASSWORD"], os.environ["TEXT"]
made = requests.post(
    f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json",
    data={"To": "+15005550009", "From": "+15005550006", "Body": text},
    auth=(account, password),
    timeout=30,
).json()
config = {"account_sid": account, "auth_token": password, "start_date": "2026-01-01T00:00:00Z"}
Path("config.json").write_text(json.dumps(config))


def say(command: str, *more: str) -> list[dict[str, Any]]:
    """What the source says, line by line; raises if it fails."""
    call = ["venv/bin/source-twilio", command, "--config", "config.json", *more]
    output = subprocess.run(call, check=True, capture_output=True).stdout
    return [json.loads(line) for line in output.splitlines()]


status = next(line["connectionStatus"] for line in say("check") if line["type"] == "CONNECTION_STATUS")
assert status["status"] == "SUCCEEDED", status
catalog = next(line["catalog"] for line in say("discover") if line["type"] == "CATALOG")
chosen = [
    {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    for stream in catalog["streams"]
    if stream["name"] in STREAMS
]
Path("catalog.json").write_text(json.dumps({"streams": chosen}))
lines = say("read", "--catalog", "catalog.json")
ended = [
    line["trace"]["stream_status"]["stream_descriptor"]["name"]
    for line in lines
    if line["type"] == "TRACE" and line["trace"].get("stream_status", {}).get("status") == "COMPLETE"
]
assert sorted(ended) == sorted(STREAMS), ended
records = [line["record"] for line in lines if line["type"] == "RECORD"]
texts = [record["data"]["body"] for record in records if record["stream"] == "messages"]
print(json.dumps({"sid": made["sid"][:2], "listed": len(texts), "own": text in texts}))
