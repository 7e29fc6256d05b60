"""Errors beneath `consumers:`: the line, the name, and what is said."""

import pytest

from tests.unit.config.conftest import DIGEST, GOOD, Write, cases, complaint, complaints

NO_DIGEST = "not the digest of a key; run `gateway key new NAME` and write its sha256: line here, never"
EMPTY_DIGEST = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

CONSUMER = cases(
    ("unknown", "alow: []", "10: consumers.billing.alow: unknown name; did you mean 'allow'?"),
    ("mode", "mode: enforced", "10: consumers.billing.mode: must be one of 'enforce' or 'report'"),
    ("username", "usernames: ['a:b']", "10: consumers.billing.usernames.0: not a user name of Basic"),
    ("number", "usernames: [12]", "10: consumers.billing.usernames.0: must be text; put it in quotes"),
    ("plus_one", "form: {to: [+1]}", "10: consumers.billing.form.to.0: must be text; put it in quotes"),
    ("norway", "form: {to: [NO]}", "10: consumers.billing.form.to.0: must be text; put it in quotes"),
    ("country", "form: {to: ['us']}", "10: consumers.billing.form.to.0: neither a prefix nor a country"),
    ("from", "form: {From: []}", "10: consumers.billing.form.From: unknown name; did you mean 'from'?"),
    ("from_", "form: {from_: []}", "10: consumers.billing.form.from_: unknown name; did you mean 'from'?"),
    ("empty_sender", "form: {from: ['']}", "10: consumers.billing.form.from.0: empty, or has a control"),
    ("mg", "form: {messaging_services: [MG1]}", "10: consumers.billing.form.messaging_services.0: not a"),
    ("callback", "form: {callback_hosts: ['https://x']}", "10: consumers.billing.form.callback_hosts.0: not"),
    ("rate_number", "limits: [{rate: 20}]", "10: consumers.billing.limits.0.rate: must be text"),
    ("rate", "limits: [{rate: 0/s}]", "10: consumers.billing.limits.0.rate: not a rate; write a whole"),
    ("no_rate", "limits: [{}]", "10: consumers.billing.limits.0.rate: missing; add `rate: …`. Requests per"),
    ("weight", "limits: [{rate: 2/s, weight: 3}]", "10: consumers.billing.limits.0: admits nothing"),
    ("burst", "limits: [{rate: 9/s, burst: 1, weight: 3}]", "10: consumers.billing.limits.0: admits nothing"),
    ("zero", "limits: [{rate: 9/s, burst: 0}]", "10: consumers.billing.limits.0.burst: must be at least 1"),
    ("wait", "limits: [{rate: 9/s, max_wait: 1}]", "10: consumers.billing.limits.0.max_wait: unknown name;"),
)  # fmt: skip

KEY = cases(
    ("plain_text", "my-old-key", NO_DIGEST),
    ("short", "sha256:1234", NO_DIGEST),
    ("digest_of_nothing", EMPTY_DIGEST, "the digest of an empty key; run `gateway key new NAME`"),
    ("in_mapping", "{digest: nothing}", NO_DIGEST),
    ("no_digest", "{expires: 2027-01-01T00:00:00Z}", "must be a sha256: line, or hold one of digest, env"),
    ("two", f"{{digest: '{DIGEST}', env: PLAIN}}", "must be a sha256: line, or hold one of"),
    ("no_zone", f"{{digest: '{DIGEST}', expires: 2027-01-01}}", "needs a time zone; write it like"),
    ("no_date", f"{{digest: '{DIGEST}', expires: never}}", "must be a date and time; write it like"),
    ("unset", "{env: NONE}", "the environment variable NONE is not set; set NONE and start again"),
    ("holds_key", "{env: PLAIN}", "the value of env:PLAIN is not the digest of a key; run"),
    ("holds_empty_digest", "{env: EMPTY}", "the value of env:EMPTY is the digest of an empty key"),
    ("bad_variable", "{env: 'a b'}", "not a variable's name; write a name like"),
    ("no_file", "{file: none}", "cannot be read (No such file or directory); mount it, or correct"),
    ("number", "7", "must be a sha256: line, or hold one of digest, env, file, vault, aws and gcp"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CONSUMER)
def test_consumer(write: Write, text: str, expected: str) -> None:
    assert complaint(write(f"{GOOD}    {text}\n")).startswith(f"gateway.yaml:{expected}")


@pytest.mark.parametrize(("key", "expected"), KEY)
def test_consumer_key(write: Write, key: str, expected: str) -> None:
    path = write(GOOD.replace(f'["{DIGEST}"]', f"\n      - {key}"))
    line = complaint(path, {"PLAIN": "my-old-key", "EMPTY": EMPTY_DIGEST})
    assert line.startswith("gateway.yaml:8: consumers.billing.keys.0")
    assert expected in line


@pytest.mark.parametrize(
    ("name", "good"),
    [("billing", True), ("a.b-c_d", True), ("0", True), ("-a", False), ("A", False), ("x" * 65, False)],
)
def test_names(write: Write, name: str, good: bool) -> None:
    lines = complaints(write(GOOD.replace("billing", f"'{name}'")))
    expected = f"gateway.yaml:6: consumers.{name}: not a name; use up to 64 of a-z, 0-9, '.', '_' and '-'"
    assert [line.startswith(expected) for line in lines] == ([] if good else [True])


def test_a_consumer_of_no_credential(write: Write) -> None:
    path = write(GOOD.replace("credential: main", "credential: mian"))
    expected = "consumers.billing.credential: no credential has this name; did you mean 'main'?"
    assert complaints(path) == [f"gateway.yaml:8: {expected}"]


def test_a_key_of_two_consumers(write: Write) -> None:
    other = f"  mail:\n    keys: [{{env: DIGEST}}, '{DIGEST}']\n    credential: main\n"
    lines = complaints(write(GOOD + other), {"DIGEST": DIGEST.replace("2c", "2C")})
    expected = "the same key as consumers.billing.keys.0; make one key per consumer"
    assert lines == [f"gateway.yaml:11: consumers.mail.keys.{index}: {expected}" for index in (0, 1)]
