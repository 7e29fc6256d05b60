"""What a store is asked for before it is used."""

import re
from pathlib import Path

import pytest

import gateway
from gateway.redis.store_probe import PROBE_TEXT, read_probe

GATEWAY = Path(gateway.__file__).parent


def test_c11_every_command_that_requests_depend_on_is_probed() -> None:
    """But for TIME, without which a replica goes by its own clock."""
    used = {
        command
        for room in ("rate_limits", "idempotency", "repeat_guard")
        for file in (GATEWAY / room).glob("*.py")
        for command in re.findall(r"redis\.p?call\('([A-Z]+)'", file.read_text())
    }
    assert used - {"TIME"} == set(re.findall(r"try\('([A-Z]+)'", PROBE_TEXT))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], ""),
        ([b"SET", b"READONLY You can't write against a read only replica."],
         "SET: READONLY You can't write against a read only replica."),
        ([b"GET", b"The user executing the script can't run this command or subcommand", b"HGET",
          b"NOPERM User u has no permissions to run the 'hget' command", b"ZADD", b"OOM"],
         "the Redis user has no right to GET, HGET"),
        (b"OK", "the answer to a script is of another form"),
        ([1], "the answer to a script is of another form"),
    ],
    ids=["all right", "refused", "without rights", "text", "number"],
)  # fmt: skip
def test_c11_a_probe_says_why(answer: object, reason: str) -> None:
    assert read_probe(answer) == reason
