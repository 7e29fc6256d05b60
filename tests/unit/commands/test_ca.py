"""`gateway ca`: what it writes, where the passphrase comes from, and what it says when it cannot go on."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.__main__ import main
from gateway.ca.authority_files import read_certificates, read_root
from gateway.ca.certificate_authority import permitted_names
from gateway.ca.trust_formats import fingerprint
from gateway.config.loading.resolve import load_resolved
from tests.unit.config.conftest import ENVIRON, GOOD

PHRASE = "a phrase that is nowhere else"


@pytest.fixture(autouse=True)
def _phrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CA_PASSPHRASE", PHRASE)


def test_init_prints_what_the_configuration_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pki"
    assert main(["ca", "init", str(folder), "--host", "gateway.internal"]) == 0
    printed = capsys.readouterr().out
    assert fingerprint(read_root(folder)) in printed
    assert PHRASE not in printed
    pasted = printed[printed.index("  ca:") :].replace("\n  ", "\n").lstrip()
    config = tmp_path / "gateway.yaml"
    config.write_text(GOOD + pasted)
    resolved = load_resolved(config, ENVIRON)
    assert resolved.ca is not None
    assert resolved.ca.permitted == ("twilio.com", "gateway.internal")
    assert yaml.safe_load(pasted)["ca"].keys() == {"certificate", "key"}


@pytest.mark.parametrize("knows_configuration", [True, False])
@pytest.mark.parametrize("folder", ["pki", "our pki, {new}"])
def test_the_printed_paths_lead_from_the_configuration_to_the_files(
    folder: str,
    knows_configuration: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The configuration is in a folder of its own, as `gateway init` makes it."""
    monkeypatch.chdir(tmp_path)
    config = Path("config/gateway.yaml")
    config.parent.mkdir()
    config.write_text(GOOD)
    assert main(["ca", "init", folder, *(["--config", str(config)] if knows_configuration else [])]) == 0
    printed = capsys.readouterr().out
    config.write_text(GOOD + printed[printed.index("  ca:") :].replace("\n  ", "\n").lstrip())
    assert load_resolved(config, ENVIRON).ca is not None


def test_names_of_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        GOOD + "upstream: {extra_hosts: [files.example.org, 10.0.0.1]}\n"
        "ca: {certificate: pki/ca.pem, key: {file: pki/ca.key}, names: [gw.internal]}\n"
    )
    folder = tmp_path / "pki"
    assert main(["ca", "init", str(folder), "--config", str(config)]) == 0
    found = permitted_names(read_certificates(folder / "ca.pem")[0])
    assert set(found) == {"twilio.com", "files.example.org", "gw.internal"}
    assert load_resolved(config, ENVIRON).ca is not None


def test_renew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ca", "init", str(tmp_path)]) == 0
    root, before = read_root(tmp_path), (tmp_path / "ca.pem").read_bytes()
    assert main(["ca", "renew", str(tmp_path)]) == 0
    assert read_root(tmp_path) == root
    assert (tmp_path / "ca.pem").read_bytes() != before
    assert fingerprint(root) in capsys.readouterr().out


def test_a_wrong_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ca", "init", str(tmp_path)])
    monkeypatch.setenv("GATEWAY_CA_PASSPHRASE", "another")
    assert main(["ca", "renew", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "gateway ca renew: the passphrase is wrong; give that of `gateway ca init`\n"
    )


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_passphrase_file_goes_before_the_variable(tmp_path: Path, end: str) -> None:
    file = tmp_path / "phrase"
    file.write_bytes(b"another" + end.encode())
    folder = str(tmp_path / "pki")
    assert main(["ca", "init", folder, "--passphrase-file", str(file)]) == 0
    assert main(["ca", "renew", folder]) == 1
    file.write_bytes(b"another")
    assert main(["ca", "renew", folder, "--passphrase-file", str(file)]) == 0


@pytest.mark.parametrize("command", ["init", "renew"])
def test_without_passphrase_and_terminal(tmp_path: Path, command: str) -> None:
    arguments = [sys.executable, "-m", "gateway", "ca", command, str(tmp_path / "pki")]
    done = subprocess.run(arguments, env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2
    assert "give --passphrase-file FILE, or set GATEWAY_CA_PASSPHRASE" in done.stderr
    assert not (tmp_path / "pki").exists()


def _terminal(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    answers = list(typed)
    monkeypatch.delenv("GATEWAY_CA_PASSPHRASE")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _: answers.pop(0))


def test_a_passphrase_is_asked_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _terminal(monkeypatch, "typed", "typed", "typed")
    assert main(["ca", "init", str(tmp_path)]) == 0
    assert main(["ca", "renew", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("typed", "words"), [(["one", "other"], "the two passphrases differ"), (["", ""], "is empty")]
)
def test_what_was_typed_is_not_usable(
    tmp_path: Path,
    typed: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _terminal(monkeypatch, *typed)
    assert main(["ca", "init", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", ["", "x" * 1024], ids=["empty", "long"])
def test_a_passphrase_that_cannot_be(
    tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_CA_PASSPHRASE", given)
    assert main(["ca", "init", str(tmp_path)]) == 2
    assert "GATEWAY_CA_PASSPHRASE is" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["ca", "init", str(tmp_path)])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["ca", "init", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["Gateway", "https://gateway", "10.0.0.1", "*.example.org", ""])
def test_a_name_that_is_none(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ca", "init", str(tmp_path), "--host", name])
    assert caught.value.code == 2
    assert "not a host name" in capsys.readouterr().err


def test_show(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["ca", "init", str(tmp_path)])
    capsysbinary.readouterr()
    root = (tmp_path / "root.pem").read_bytes()
    for source in (tmp_path, tmp_path / "root.pem", tmp_path / "ca.pem"):
        assert main(["ca", "show", str(source), "--format", "pem"]) == 0
        assert capsysbinary.readouterr().out == root
        assert main(["ca", "show", str(source)]) == 0
        assert fingerprint(read_root(tmp_path)).encode() in capsysbinary.readouterr().out
    assert main(["ca", "show", str(tmp_path), "--format", "der"]) == 0
    assert capsysbinary.readouterr().out[:1] == b"\x30"
    assert main(["ca", "show", str(tmp_path), "--format", "p12", "--out", str(tmp_path / "root.p12")]) == 0
    assert capsysbinary.readouterr().out == b""
    assert (tmp_path / "root.p12").read_bytes()[:1] == b"\x30"


def test_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ca", "show", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_binary_forms_stay_off_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ca", "init", str(tmp_path)])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["ca", "show", str(tmp_path), "--format", "p12"]) == 2
    assert "add `--out FILE`" in capsys.readouterr().err
