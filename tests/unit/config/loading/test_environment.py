"""`GATEWAY__…` variables: what they set, what they leave alone, and which are refused."""

from pathlib import Path

import pytest

from gateway.config.loading.load import load_settings
from gateway.config.schema.settings import Settings
from tests.unit.config.conftest import DIGEST, ENVIRON, GOOD, Write, cases, complaints

REFUSED = cases(
    ("unknown", "GATEWAY__PORT=1", "port: unknown name; known here: listen, reuse_port,"),
    ("unknown_inner", "GATEWAY__ADMIN__LISTN=h:1", "admin.listn: unknown name; did you mean 'listen'?"),
    ("value", "GATEWAY__LOG__LEVEL=loud", "log.level: must be one of 'debug', 'info',"),
    ("number", "GATEWAY__CALLERS__HEADERS_MAX=many", "callers.headers_max: must be a whole number"),
    ("in_json", 'GATEWAY__LOG={"level": 1}', "log.level: must be one of"),
    ("not_json", 'GATEWAY__LOG={"level": s3cret', 'not JSON; write a list as ["a", "b"]'),
    ("twice_in_json", 'GATEWAY__LOG={"level": "info", "level": "debug"}', "not JSON"),
    ("deep_json", "GATEWAY__LOG=" + "[" * 100_000, "not JSON"),
    ("nothing", "GATEWAY__=1", "has an empty or unprintable part; write a name like GATEWAY__ADMIN"),
    ("empty_part", "GATEWAY__LOG____LEVEL=info", "has an empty or unprintable part"),
    (
        "into_a_list",
        "GATEWAY__CONSUMERS__BILLING__KEYS__0=x",
        "consumers.billing.keys is a list; set the whole",
    ),
    (
        "list_as_text",
        "GATEWAY__CONSUMERS__BILLING__ALLOW=x",
        "consumers.billing.allow: must be a list; write",
    ),
    ("beneath_a_value", "GATEWAY__LISTEN__HOST=x", "listen: must be text; put it in quotes."),
    ("section_as_text", "GATEWAY__LOG=info", "log: must be a mapping"),
    ("null", "GATEWAY__LOG__LEVEL=null", "log.level: must be one of"),
    (
        "half_a_consumer",
        "GATEWAY__CONSUMERS__FAX__CREDENTIAL=main",
        "consumers.fax: has no key, certificate or JWT claim to authenticate with; run",
    ),
    (
        "renamed",
        "GATEWAY__GOVERNOR__QUEUE=5",
        "governor: is now called `concurrency`; write `concurrency:` here, or GATEWAY__CONCURRENCY__…",
    ),
    (
        "renamed_inner",
        "GATEWAY__RETRY__ATTEMPTS=5",
        "retry.attempts: is now called `max_attempts`; write `max_attempts:` here, or GATEWAY__RETRY__MAX_",
    ),
    ("reference", 'GATEWAY__STORE={"env": "NONE"}', "store: the environment variable NONE is not set"),
)


@pytest.mark.parametrize(("assignment", "expected"), REFUSED)
def test_refused(write: Write, assignment: str, expected: str) -> None:
    name, _, value = assignment.partition("=")
    lines = complaints(write(GOOD), {name: value})
    assert [line.startswith(f"{name}: {expected}") for line in lines] == [True], lines


def test_one_name_in_two_spellings(write: Write) -> None:
    lines = complaints(write(GOOD), {"GATEWAY__LISTEN": "h:1", "gateway__listen": "h:1"})
    assert lines == ["gateway__listen: given twice, in upper and lower case; keep one of the two"]


@pytest.mark.parametrize("name", ["GATEWAY_PORT", "GATEWAY_SERVICE_HOST", "GATEWAY", "XGATEWAY__LISTEN"])
def test_names_that_are_not_ours_are_not_read(write: Write, name: str) -> None:
    assert complaints(write(GOOD), {name: "tcp://10.0.0.1"}) == []


def test_values(write: Write) -> None:
    text = (
        GOOD
        + "    form: null\nlog: {level: debug, format: json}\nupstream: {connections: 7, idle_seconds: 3}\n"
    )
    settings = _load(
        write(text),
        GATEWAY__LISTEN="0.0.0.0:80",
        gateway__admin__listen="127.0.0.1:1",
        GATEWAY__REUSE_PORT="true",
        GATEWAY__DRAIN_SECONDS="1.5",
        GATEWAY__PUBLIC_URL="null",
        GATEWAY__LOG__LEVEL="error",
        GATEWAY__UPSTREAM='{"connections": 8}',
        GATEWAY__UPSTREAM__CONNECT_SECONDS="2",
        GATEWAY__CONSUMERS__BILLING__ALLOW='["verify", "lookups"]',
        GATEWAY__CONSUMERS__BILLING__FORM__TO='["+1"]',
        GATEWAY__CONSUMERS__FAX=f'{{"keys": ["{DIGEST.replace("2c", "3d")}"], "credential": "main"}}',
    )
    assert (settings.listen, settings.admin.listen) == ("0.0.0.0:80", "127.0.0.1:1")
    assert (settings.reuse_port, settings.drain_seconds, settings.public_url) == (True, 1.5, None)
    assert (settings.log.level, settings.log.format) == ("error", "json")
    billing = settings.consumers["billing"]
    assert (billing.allow, billing.form and billing.form.to) == (("verify", "lookups"), ("+1",))
    assert settings.consumers["fax"].credential == "main"
    upstream = settings.upstream
    # A value replaces what the file has there, and a longer name goes into what a shorter one gave.
    assert (upstream.connections, upstream.connect_seconds, upstream.idle_seconds) == (8, 2, 10)


def test_a_reference_replaces_a_reference(write: Write) -> None:
    name = "GATEWAY__CREDENTIALS__MAIN__AUTH_TOKEN"
    text = GOOD.replace("    keys: [{", "    auth_token: {env: KEY_SECRET}\n    keys: [{", 1)
    token = _load(write(text), **{name: '{"file": "/run/token"}'}).credentials["main"].auth_token
    assert str(token) == "file:/run/token"


def _load(path: Path, **environ: str) -> Settings:
    return load_settings(path, ENVIRON | environ).settings


@pytest.mark.parametrize("address", ["[::1]:8080", '"[::1]:8080"'])
def test_an_ipv6_address_is_no_list(write: Write, address: str) -> None:
    assert load_settings(write(GOOD), ENVIRON | {"GATEWAY__LISTEN": address}).settings.listen == "[::1]:8080"
