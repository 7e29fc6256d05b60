"""`secret_stores:`, and the references that lead there: their forms, and what is said of wrong ones."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from gateway.config.loading.load import load_settings
from gateway.config.loading.references import remote_references
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from gateway.config.schema.secret_store_settings import SecretStores
from gateway.config.schema.secret_values import Secret, SecretError, SecretRef
from tests.unit.config.conftest import DIGEST, ENVIRON, GOOD, Write, cases, complaint, complaints

PATH_KEY = "not the place of a secret in Vault; write PATH#KEY, the path without mount and data/"
AWS_NAME = "not the name of a secret in AWS; write its name or ARN, and #KEY"
GCP_NAME = "not the name of a secret in Google Cloud; write NAME, NAME/versions/3 or projects/"

REFERENCE = cases(
    ("no_key", "{vault: twilio/main}", f"vault: {PATH_KEY}"),
    ("slash", "{vault: /twilio/main#key}", f"vault: {PATH_KEY}"),
    ("dots", "{vault: 'twilio/../main#key'}", f"vault: {PATH_KEY}"),
    ("dots_last", "{vault: 'twilio/..#key'}", f"vault: {PATH_KEY}"),
    ("query", "{vault: 'twilio/main?version=1#key'}", f"vault: {PATH_KEY}"),
    ("escape", "{vault: 'twilio%2Fmain#key'}", f"vault: {PATH_KEY}"),
    ("two_keys", "{vault: 'twilio/main#a#b'}", f"vault: {PATH_KEY}"),
    ("aws_space", "{aws: 'a b'}", f"aws: {AWS_NAME}"),
    ("aws_no_key", "{aws: 'a#'}", f"aws: {AWS_NAME}"),
    ("gcp_slash", "{gcp: a/b}", f"gcp: {GCP_NAME}"),
    ("gcp_project", "{gcp: 'projects/p/a'}", f"gcp: {GCP_NAME}"),
    ("two", "{aws: a, gcp: b}", " must hold one of env, file, vault, aws and gcp, and nothing else; write {"),
    ("text", "vault:twilio/main#key", " a secret must not stand in the file itself; write {env: NAME}, {fil"),
    ("secret", "{aws: c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa}", " this looks like the secret itself, not like th"),
)  # fmt: skip

SECTION = cases(
    ("no_address", "vault: {token: {env: T}}", "vault.address: missing; add `address: …`. Its URL,"),
    ("no_login", "vault: {address: 'https://v'}", "vault: needs one of `token` and `kubernetes`; write"),
    ("two_logins", "vault: {address: 'https://v', token: {env: T}, kubernetes: {role: r}}", "vault: needs o"),
    ("path", "vault: {address: 'https://v/v1', token: {env: T}}", "vault.address: not a URL that can be use"),
    ("password", "vault: {address: 'https://u:p@v', token: {env: T}}", "vault.address: a user name or passw"),
    ("remote", "vault: {address: 'https://v', token: {aws: a}}", "vault.token: must hold one of env and fil"),
    ("literal", "vault: {address: 'https://v', token: hvs.x}", "vault.token: a secret must not stand in the"),
    ("mount", "vault: {address: 'https://v', token: {env: T}, mount: /kv/}", "vault.mount: not the path of "),
    ("mounts", "vault: {address: 'https://v', token: {env: T}, mount: a/../b}", "vault.mount: not the path"),
    ("no_role", "vault: {address: 'https://v', kubernetes: {}}", "vault.kubernetes.role: missing; add"),
    ("aws", "aws: {regoin: x}", "aws.regoin: unknown name; did you mean 'region'?"),
    ("region", "aws: {region: Frankfurt}", "aws.region: not a region of AWS; write it like eu-central-1"),
    ("project", "gcp: {project: 'a b'}", "gcp.project: not a project's ID or number; write it like my-"),
    ("fast", "refresh_seconds: 0.1", "refresh_seconds: must be at least 1.0; choose a larger number"),
    ("store", "azure: {}", "azure: unknown name; "),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFERENCE)
def test_references(write: Write, text: str, expected: str) -> None:
    line = complaint(write(GOOD.replace("{env: KEY_SECRET}", text)))
    assert line.startswith("gateway.yaml:4: credentials.main.keys.0.secret")
    assert expected in line


@pytest.mark.parametrize(("text", "expected"), SECTION)
def test_section(write: Write, text: str, expected: str) -> None:
    lines = complaints(write(f"{GOOD}secret_stores:\n  {text}\n"))
    assert [line for line in lines if line.startswith(f"gateway.yaml:11: secret_stores.{expected}")], lines


class Told:
    """A source that has some, and remembers what it was asked."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.asked: list[list[str]] = []

    def fetch(
        self,
        stores: SecretStores,
        references: Sequence[SecretRef],
        environ: Mapping[str, str],
        base_dir: Path,
    ) -> Callable[[SecretRef], Secret]:
        """See `RemoteSource`."""
        self.asked.append([str(reference) for reference in references])

        def answer(reference: SecretRef) -> Secret:
            if str(reference) not in self.values:
                raise SecretError(f"{reference} was not read: it is away", "call it")
            return Secret(self.values[str(reference)], str(reference))

        return answer


def test_every_place_of_a_reference(write: Write) -> None:
    """All that may be referred to may be in a store; each is asked for once, all are asked for together."""
    text = GOOD.replace("{env: KEY_SECRET}", "{vault: a/b#key}").replace("{env: KEY_SID}", "{aws: sid}")
    text = text.replace(f'"{DIGEST}"', "{gcp: digest, expires: 2036-01-01T00:00:00Z}")
    text += "store: {aws: redis#url}\nupstream: {proxy: {gcp: proxy}}\n"
    text = text.replace("  main:\n", "  main:\n    auth_token: {vault: a/b#key}\n")
    told = Told({
        "vault:a/b#key": "s3cret", "aws:sid": ENVIRON["KEY_SID"], "gcp:digest": DIGEST,
        "aws:redis#url": "redis://:pw@h", "gcp:proxy": "http://u:p@h:1",
    })  # fmt: skip
    resolved = load_resolved(write(text), ENVIRON, told)
    assert [sorted(asked) for asked in told.asked] == [sorted(told.values)]
    main = resolved.credentials["main"]
    assert [(key.sid, key.secret.reveal()) for key in main.keys] == [(ENVIRON["KEY_SID"], "s3cret")]
    assert main.auth_token is not None
    assert main.auth_token.reveal() == "s3cret"
    assert resolved.consumers["billing"].keys[0].digest == "2c" * 32
    assert resolved.store is not None
    assert resolved.store.reveal() == "redis://:pw@h"
    assert resolved.proxy is not None
    assert resolved.proxy.reveal() == "http://u:p@h:1"


def test_what_a_store_holds_is_judged_like_the_rest(write: Write) -> None:
    text = GOOD.replace("{env: KEY_SECRET}", "{vault: a/b#none}").replace("{env: KEY_SID}", "{aws: sid}")
    path = write(text)
    told = Told({"aws:sid": "s3cret"})
    with pytest.raises(ConfigError) as caught:
        load_resolved(path, ENVIRON, told)
    assert str(caught.value).replace(f"{path.parent}/", "").splitlines() == [
        "gateway.yaml:4: credentials.main.keys.0.sid: the value of aws:sid is not the SID of an API key; "
        "it is SK and 32 hexadecimal digits",
        "gateway.yaml:4: credentials.main.keys.0.secret: vault:a/b#none was not read: it is away; call it",
    ]


def test_where_no_store_is_asked(write: Write) -> None:
    line = complaint(write(GOOD.replace("{env: KEY_SECRET}", "{vault: a/b#key}")))
    assert "vault:a/b#key is in a store, and none is asked here; write {env: NAME} or {file: PATH}" in line


def test_a_local_file_asks_for_nothing(write: Write) -> None:
    assert remote_references(load_settings(write(GOOD), ENVIRON).settings) == ()
