"""The command `gateway explain`: what it prints, as words and as JSON, and its exit codes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.caller import ask
from tests.support.command import Done, run_command
from tests.support.explained import ACCOUNT, JSON, KEYS, MESSAGE, SETTINGS, Row
from tests.support.running import ENVIRON, configuration, consumer, running_gateway
from tests.support.upstream import RawUpstream


def _run(folder: Path, *arguments: str, **settings: Any) -> Done:
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", **(SETTINGS | settings))))
    return run_command("explain", "--config", str(config), *arguments, environ=ENVIRON)


def test_the_command_says_it_in_words(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        *("--consumer", "narrow", "POST", f"/api{ACCOUNT}/Messages.json"),
        *(
            "--form",
            "To=+15005550006",
            "--form",
            "Body=a=b",
            "--header",
            "X-Any: 1",
            "--header",
            "If-Match: 1",
        ),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "sent to api.twilio.com"
    for expected in (
        "route     POST api /2010-04-01/Accounts/{AccountSid}/Messages",
        "rule      POST api /2010-04-01/**",
        "keys      SK0011…eeff",
        f"wire      POST {ACCOUNT}/Messages.json HTTP/1.1",
        "If-Match: 1",
        "dropped   x-any (see upstream.request_fields)",
        "Authorization: Basic <SK0011…eeff>",
        "body      To=%2B15005550006&Body=a%3Db",
        "503                          goes back to the caller",
    ):
        assert expected in done.stdout
    assert ENVIRON["TWILIO_API_SECRET"] not in done.stdout


def test_a_refusal_is_exit_code_1(tmp_path: Path) -> None:
    done = _run(tmp_path, "--consumer", "narrow", "DELETE", MESSAGE)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == "refused: 403 not_allowed"
    assert "route     DELETE api /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}" in done.stdout


def test_json(tmp_path: Path) -> None:
    arguments = ("--json", "--consumer", "report", "POST", "/content/v1/Content")
    done = _run(tmp_path, *arguments, "--header", JSON, "--data", '{"a": 1}')
    said = json.loads(done.stdout)
    assert (said["verdict"], said["would_refuse"], said["rule"]) == ("sent", "not_allowed", None)
    assert said["sent"]["host"] == "content.twilio.com"
    assert said["sent"]["body"] == '{"a": 1}'
    assert {each["outcome"]: each["again"] for each in said["outcomes"]}["503"] is False


def test_the_deadline_is_that_of_the_client(tmp_path: Path) -> None:
    """The Go SDK gives up after 10 s; the caller of another client has the usual time."""
    arguments = ("--json", "--consumer", "narrow", "GET", MESSAGE)
    done = _run(tmp_path, *arguments, "--header", "User-Agent: twilio-go/1.30.9 (linux amd64) go/1.24.1")
    assert json.loads(done.stdout)["deadline_seconds"] == 9
    assert json.loads(_run(tmp_path, *arguments).stdout)["deadline_seconds"] == 25


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--consumer", "nobody", "GET", "/"), "no consumer is called 'nobody'; there are all, narrow"),
        (("--consumer", "all", "GET", "/", "--form", "a"), "--form takes NAME=VALUE"),
        (("--consumer", "all", "GET", "/", "--header", "a"), "--header takes 'NAME: VALUE'"),
        (("--consumer", "all", "GET", "/", "--admin", "here"), "--admin is a URL"),
        (("GET", "/"), "--consumer"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = _run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


async def test_limits_and_how_full_they_are(tmp_path: Path, upstream: RawUpstream) -> None:
    """Those that the call falls under; asked of a running gateway's admin port."""
    limits = [
        {"rate": "4/h", "burst": 4},
        {"rate": "9/s", "route": "POST api /2010-04-01/**"},
        {"rate": "5/s", "route": "GET verify /**"},
    ]
    consumers = {"all": consumer(KEYS["all"], limits=limits)}
    async with running_gateway(upstream.url, consumers=consumers) as gateway:
        assert (
            await ask(gateway.port, Row("all", f"GET {ACCOUNT}/Messages.json?PageSize=1").data)
        ).status == 200
        arguments = (
            "--json",
            "--admin",
            gateway.admin_url,
            "--consumer",
            "all",
            "POST",
            f"{ACCOUNT}/Calls.json",
        )
        done = await asyncio.to_thread(_run, tmp_path, *arguments, consumers=consumers)
    assert done.returncode == 0, done.stderr
    found = [(limit["name"], limit["text"], limit["used"]) for limit in json.loads(done.stdout)["limits"]]
    assert found == [
        ("all/0", "4 per 3600 s, burst 4", pytest.approx(0.25, abs=0.01)),
        ("all/1", "9 per 1 s, burst 9", 0.0),
    ]
