"""`upstream.client_timeout_seconds`: added to the defaults, and refused where it says nothing."""

from datetime import UTC, datetime

import pytest

from gateway.config.loading.load import load_settings
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases, complaint

NOW = datetime(2026, 12, 20, tzinfo=UTC)

WRONG = cases(
    ("too_short", "{twilio-go: 1}", "twilio-go: too short for an answer a second earlier; write more than 1"),
    ("negative", "{twilio-go: -3}", "twilio-go: must be at least 0"),
    ("word", "{twilio-go: soon}", "twilio-go: must be a number"),
    ("name", "{'twilio-go/1.3': 10}", ": not the name of a client; write what its User-Agent begins with"),
    ("list", "[10]", ": must be a mapping"),
)


def test_names_are_added_to_the_defaults(write: Write) -> None:
    upstream = "upstream: {client_timeout_seconds: {twilio-go: 4, acme-sms: 5, twilio-node: 0}}\n"
    loaded = load_settings(write(GOOD + upstream), ENVIRON, NOW)
    assert loaded.settings.upstream.client_timeout_seconds == {
        "acme-sms": 5, "twilio-cli": 30, "twilio-csharp": 100, "twilio-go": 4, "twilio-java": 30,
        "twilio-node": 0, "twilio-php": 60, "twilio-python": 0, "twilio-ruby": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_nonsense_is_refused(write: Write, text: str, expected: str) -> None:
    said = complaint(write(f"{GOOD}upstream: {{client_timeout_seconds: {text}}}\n"))
    assert said.startswith("gateway.yaml:10: upstream.client_timeout_seconds")
    assert expected in said
