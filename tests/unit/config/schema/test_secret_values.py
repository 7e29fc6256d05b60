"""References and secrets: how they are read, and that no secret is ever shown."""

import copy
import pickle
from pathlib import Path

import pytest

from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from gateway.config.schema.secret_values import Secret, SecretError, SecretRef, resolve
from tests.unit.config.conftest import DIGEST, ENVIRON, GOOD, Write, cases

CANARY = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa"

UNREADABLE = cases(
    ("empty", "", "file:secret is empty; put the secret there"),
    ("line_break_only", "\n", "file:secret is empty"),
    ("two_lines", "a\nb\n", "file:secret has a line break or control character"),
    ("two_line_breaks", "a\n\n", "file:secret has a line break"),
    ("space", "a \n", "file:secret has a space"),
    ("nul", "a\0b", "file:secret has a line break or control character"),
    (
        "d2_byte_order_mark",
        "\ufeffabc",
        "file:secret has a byte order mark; save it as UTF-8",
    ),
    ("d2_zero_width", "ab\u200bc", "file:secret has an invisible character"),
    ("d2_soft_hyphen", "ab\u00adc", "file:secret has an invisible character"),
    ("d2_word_joiner", "abc\u2060", "file:secret has an invisible character"),
    ("d2_curly", "\u201cabc\u201d", "file:secret has a typographic quotation mark"),
    ("d2_guillemets", "\u00ababc\u00bb", "file:secret has a typographic quotation mark"),
    ("d2_quoted", '"abc"\n', "file:secret is wrapped in quotation marks; leave them out"),
    ("d2_single_quoted", "'abc'", "file:secret is wrapped in quotation marks; leave them out"),
    ("d2_no_break_space", "a\u00a0c", "file:secret has a space"),
    ("d2_inner_space", "a c", "file:secret has a space"),
    ("d2_umlaut", "\u00e4bc", "file:secret has a character that is not visible ASCII"),
)


@pytest.mark.parametrize(("content", "expected"), [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("'a", "'a")])
def test_a_file(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    for name in ("secret", str(tmp_path / "secret")):
        assert resolve(SecretRef(file=name), {}, tmp_path).reveal() == expected


@pytest.mark.parametrize(("content", "expected"), UNREADABLE)
def test_a_file_that_holds_no_secret(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(SecretError, match=expected):
        resolve(SecretRef(file="secret"), {}, tmp_path)


def test_files_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff" + CANARY.encode())
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "folder").mkdir()
    expected = {
        "bytes": "is not UTF-8 text",
        "large": "is larger than 65536 bytes",
        "folder": "Is a directory",
    }
    for name, text in expected.items():
        with pytest.raises(SecretError, match=text) as caught:
            resolve(SecretRef(file=name), {}, tmp_path)
        assert CANARY not in str(caught.value)


def test_a_variable_that_is_not_text(tmp_path: Path) -> None:
    # os.environ has bytes that are not UTF-8 as lone surrogates.
    with pytest.raises(SecretError, match="env:TOKEN has a character that is not visible ASCII"):
        resolve(SecretRef(env="TOKEN"), {"TOKEN": "\udcff"}, tmp_path)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(CANARY, "env:TOKEN")
    assert [str(secret), repr(secret), f"{secret}", f"{[secret]}"] == [
        "Secret(env:TOKEN)", "Secret(env:TOKEN)", "Secret(env:TOKEN)", "[Secret(env:TOKEN)]",
    ]  # fmt: skip
    assert secret.reveal() == CANARY
    assert secret != Secret(CANARY, "env:TOKEN")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            attempt(secret)


SPILLS = [
    "credentials: {main: {auth_token: CANARY}}",
    "credentials: {main: {auth_token: {CANARY}}}",
    "credentials: {main: {auth_token: {CANARY: CANARY}}}",
    "credentials: {main: {auth_token: {env: CANARY}}}",
    "credentials: {main: {auth_token: {file: CANARY}}}",
    "credentials: {main: {auth_token: [CANARY]}}",
    "credentials: {main: {auth_token: *CANARY}}",
    "credentials: {main: {auth_token: !CANARY x}}",
    "credentials: {main: {auth_token: 'CANARY}}",
    'credentials: {main: {auth_token: "\\CANARY"}}',
    "credentials: {main: {auth_token: @CANARY}}",
    "credentials: {main: {auth_token: &CANARY 1, keys: &CANARY 2}}",
    "credentials: {main: {account_sid: CANARY, region: CANARY/, edge: CANARY/, keys: CANARY}}",
    "credentials: {main: {account_sid: {env: SPILT}, CANARY: 1, keys: [{sid: {env: SPILT}, secret: 1}]}}",
    "credentials: {main: {subaccounts: [CANARY, {account_sid: CANARY, keys: [CANARY, {CANARY: 1}]}]}}",
    "credentials: CANARY",
    "consumers: {billing: {keys: [CANARY, {CANARY: 1}, {env: CANARY}, {digest: CANARY}, {env: SPILT}]}}",
    "consumers: {billing: {keys: CANARY, mode: CANARY, form: {to: [CANARY]}, limits: [{rate: CANARY}]}}",
    "consumers: {billing: {usernames: ['a:CANARY'], allow: CANARY, legacy: CANARY, gw_CANARY: 1}}",
    "upstream: {proxy: 'http://u:CANARY@h:1', connect_to: 'http://u:CANARY@h:1', ca_file: 7}",
    "upstream: {proxy: 'CANARY', connect_to: 'http://h:CANARY', connections: CANARY}",
    "store: redis://:CANARY@h\npublic_url: 'http://[CANARY'\nlisten: CANARY",
    "store: {env: SPILT}\nlog: CANARY\nCANARY: 1\n",
]


@pytest.mark.parametrize("text", SPILLS)
def test_no_error_quotes_a_value(write: Write, text: str) -> None:
    """A secret in whatever place it slipped to: the whole error, its cause and its repr are without it."""
    text = text.replace("CANARY", CANARY)
    with pytest.raises(ConfigError) as caught:
        load_resolved(write(text), ENVIRON | {"SPILT": CANARY})
    shown = f"{caught.value} {caught.value!r} {caught.value.problems} {caught.getrepr(style='short')}"
    assert CANARY not in shown.replace(text, "").replace(text.split("\n")[0], "")


@pytest.mark.parametrize(
    "value", [CANARY, f'"{CANARY}', f'{{"{CANARY}": 1}}', f'["{CANARY}"', f'["{CANARY}"]']
)
@pytest.mark.parametrize("name", ["STORE", "LISTEN", "CREDENTIALS", "CREDENTIALS__MAIN__AUTH_TOKEN", "NONE"])
def test_no_error_quotes_an_override(write: Write, name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_resolved(write(GOOD), ENVIRON | {f"GATEWAY__{name}": value})
    assert CANARY not in f"{caught.value} {caught.value!r} {caught.value.problems}"


def test_no_good_configuration_shows_its_secrets(write: Write) -> None:
    text = (
        f"{GOOD}  fax: {{keys: [{{env: DIGEST}}], credential: main}}\nupstream: {{proxy: {{env: PROXY}}}}\n"
    )
    environ = {"KEY_SECRET": CANARY, "PROXY": f"http://u:{CANARY}@h:1", "DIGEST": DIGEST.replace("2c", "4e")}
    resolved = load_resolved(write(text), ENVIRON | environ)
    assert resolved.credentials["main"].keys[0].secret.reveal() == CANARY
    assert resolved.proxy is not None
    assert resolved.proxy.reveal() == environ["PROXY"]
    assert CANARY not in repr(resolved)
    assert "Secret(env:KEY_SECRET)" in repr(resolved)
