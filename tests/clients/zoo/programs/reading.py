"""What programs of sources that only read share. The message is made by requests, which the sources use."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import requests


def create() -> str:
    """The SID of a new message with the text of the environment."""
    account = os.environ["ACCOUNT"]
    made = requests.post(
        f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json",
        data={"To": "+15005550009", "From": "+15005550006", "Body": os.environ["TEXT"]},
        auth=(account, os.environ["PASSWORD"]),
        timeout=30,
    )
    return str(made.json()["sid"])


def configure(**more: str) -> None:
    """Write `config.json`, with the login of the environment."""
    login = {"account_sid": os.environ["ACCOUNT"], "auth_token": os.environ["PASSWORD"]}
    Path("config.json").write_text(json.dumps(login | more))


def run(command: str, *arguments: str) -> bytes:
    """What a command of the source prints; raises if it fails."""
    call = [f"venv/bin/{command}", *arguments]
    return subprocess.run(call, check=True, capture_output=True).stdout


def read_lines(output: bytes) -> list[dict[str, Any]]:
    """The messages of a source, one a line."""
    return [json.loads(line) for line in output.splitlines()]


def report(sid: str, texts: list[str]) -> None:
    """Say what was made, and whether it was read."""
    print(json.dumps({"sid": sid[:2], "listed": len(texts), "own": os.environ["TEXT"] in texts}))
