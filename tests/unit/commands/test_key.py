"""`gateway key`: what is printed can be pasted, and the key is there once."""

import hashlib
import io
import json
import re
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from gateway.__main__ import main
from gateway.commands.key import new_key
from gateway.config.loading.load import load_settings
from gateway.config.problems import looks_like_a_secret
from gateway.config.schema.values import DIGEST, digest_line


def test_new(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "billing"]) == 0
    text = capsys.readouterr().out
    keys = re.findall(r"\bgw[A-Za-z0-9]{43}\b", text)
    assert len(keys) == 1
    pasted = yaml.safe_load(text[text.index("  consumers:") :])
    digest = "sha256:" + hashlib.sha256(keys[0].encode()).hexdigest()
    assert pasted == {"consumers": {"billing": {"keys": [digest]}}}
    assert DIGEST.matches(digest)


def test_no_two_keys_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        main(["key", "new", "billing"])
    assert len(set(re.findall(r"\bgw\S+", capsys.readouterr().out))) == 2


def test_a_key_is_letters_and_digits_of_256_bits() -> None:
    """twilio-go sends no other password."""
    keys = [new_key() for _ in range(200)]
    assert all(re.fullmatch(r"gw[A-Za-z0-9]{43}", key) for key in keys)
    assert set("".join(key[2:] for key in keys)) == set(string.ascii_letters + string.digits)
    assert 62**43 > 2**256
    assert all(looks_like_a_secret(key) for key in [*keys, "gw" + "k" * 43, "gw_" + "k-_" * 14])


@pytest.mark.parametrize(("name", "told"), [("billing", False), ("order-mails", True), ("a.b", True)])
def test_an_alias_for_go(name: str, told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", name]) == 0
    assert ("twilio-go" in capsys.readouterr().out) is told


@pytest.mark.parametrize("name", ["Billing", "", "a b", "-"])
def test_a_name_that_no_consumer_can_have(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["key", "new", name])
    assert caught.value.code == 2
    assert "not a name: use up to 64 of a-z" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_digest(end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"abc{end}".encode())))
    assert main(["key", "digest"]) == 0
    # The first test vector of FIPS 180-4.
    assert (
        capsys.readouterr().out == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
    )


@pytest.mark.parametrize(
    "given",
    [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"\xef\xbb\xbfabc", b"'abc'"],
    ids=["empty", "break", "two", "bytes", "d2_bom", "d2_quoted"],
)
def test_no_secret(given: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert main(["key", "digest"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gateway key digest: standard input ")
    assert "try `gateway key digest < FILE`" in captured.err


def test_a_key_works_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["key", "new", "billing"])
    text = capsys.readouterr().out
    pasted = text[text.index("  consumers:") :].replace("\n  ", "\n")[2:]
    sid = "AC" + "0a" * 16
    path = tmp_path / "gateway.yaml"
    credentials = f"credentials: {{main: {{account_sid: {sid}, auth_token: {{env: T}}}}}}\n"
    path.write_text(f"{pasted.rstrip()}\n    credential: main\n{credentials}")
    assert load_settings(path, {}).settings.consumers.keys() == {"billing"}


def test_a_key_that_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "billing", "--expires", "2099-06-30", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["consumer"], made["expires"]) == ("billing", "2099-06-30T00:00:00Z")
    assert yaml.safe_load(made["entry"])["digest"] == made["digest"] == digest_line(made["key"])


def test_a_key_for_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "billing", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert re.fullmatch(r"gw[A-Za-z0-9]{43}\n", captured.out)
    assert yaml.safe_load(captured.err) == [digest_line(captured.out.strip())]


@pytest.mark.parametrize("date", ["2020-01-01", "soon", "2099-06-30T12:00:00", "30.06.2099"])
def test_a_date_that_cannot_be_used(date: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["key", "new", "billing", "--expires", date])
    assert caught.value.code == 2
    assert "--expires" in capsys.readouterr().err


def test_keys_are_listed_by_when_they_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soon = (datetime.now(UTC) + timedelta(days=9, hours=1)).isoformat()
    keys = [
        f'{{digest: "sha256:{"1a" * 32}", expires: {soon}}}',
        f'{{digest: "sha256:{"2b" * 32}", expires: 2099-01-01T00:00:00Z}}',
        f'"sha256:{"3c" * 32}"',
    ]
    sid = "AC" + "0a" * 16
    path = tmp_path / "gateway.yaml"
    path.write_text(
        f"credentials: {{main: {{account_sid: {sid}, auth_token: {{env: HOME}}}}}}\n"
        f"consumers: {{billing: {{credential: main, keys: [{', '.join(keys)}]}}}}\n"
    )
    assert main(["key", "list", "--config", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["billing", "sha256:1a1a1a1a", "ends"],
        ["billing", "sha256:2b2b2b2b", "ends"],
        ["billing", "sha256:3c3c3c3c", "does"],
    ]
    assert lines[0].endswith("in 9 days")
    assert main(["key", "list", "--config", str(path), "--expiring", "14", "--json"]) == 0
    assert [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()] == ["sha256:1a1a1a1a"]
