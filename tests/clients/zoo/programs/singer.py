"""A Singer tap: it reads accounts and messages, as its catalogue chooses them."""

import json
from pathlib import Path

from reading import configure, create, read_lines, report, run

sid = create()
configure(user_agent="tap-twilio", start_date="2026-01-01T00:00:00Z")
catalog = json.loads(run("tap-twilio", "--config", "config.json", "--discover"))
for stream in catalog["streams"]:
    for entry in stream["metadata"]:
        if entry["breadcrumb"] == []:
            entry["metadata"]["selected"] = stream["tap_stream_id"] in ("accounts", "messages")
Path("catalog.json").write_text(json.dumps(catalog))
lines = read_lines(run("tap-twilio", "--config", "config.json", "--catalog", "catalog.json"))
messages = (line["record"] for line in lines if line["type"] == "RECORD" and line["stream"] == "messages")
report(sid, [message["body"] for message in messages])
