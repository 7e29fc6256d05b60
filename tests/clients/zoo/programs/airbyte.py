"""Airbyte's source: it checks its login, names its streams, and reads five of them."""

import json
from pathlib import Path
from typing import Any

from reading import configure, create, read_lines, report, run

STREAMS = ("accounts", "messages", "calls", "recordings", "usage_records")


def ask(command: str, *more: str) -> list[dict[str, Any]]:
    """What the source says to a command."""
    said: list[dict[str, Any]] = read_lines(run("source-twilio", command, "--config", "config.json", *more))
    return said


sid = create()
configure(start_date="2026-01-01T00:00:00Z")
status = next(line["connectionStatus"] for line in ask("check") if line["type"] == "CONNECTION_STATUS")
assert status["status"] == "SUCCEEDED", status
catalog = next(line["catalog"] for line in ask("discover") if line["type"] == "CATALOG")
chosen = [
    {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    for stream in catalog["streams"]
    if stream["name"] in STREAMS
]
Path("catalog.json").write_text(json.dumps({"streams": chosen}))
lines = ask("read", "--catalog", "catalog.json")
ended = [
    line["trace"]["stream_status"]["stream_descriptor"]["name"]
    for line in lines
    if line["type"] == "TRACE" and line["trace"].get("stream_status", {}).get("status") == "COMPLETE"
]
assert sorted(ended) == sorted(STREAMS), ended
records = [line["record"] for line in lines if line["type"] == "RECORD"]
report(sid, [record["data"]["body"] for record in records if record["stream"] == "messages"])
