"""What the files of `ca:` may hold, and what is said of those that cannot be used."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.ca.authority_files import AuthorityFiles
from gateway.ca.certificate_authority import SigningPair, to_pem
from gateway.config.loading.references import variable_references
from gateway.config.loading.resolve import load_resolved, load_static
from tests.support.authority import PASSPHRASE, make_authority
from tests.unit.config.conftest import ENVIRON, GOOD, Write, complaint, complaints

SETTING = "ca: {certificate: pki/ca.pem, key: {file: pki/ca.key}}\n"


def _swap(folder: Path) -> None:
    intermediate, _, root = (folder / "ca.pem").read_bytes().partition(b"-----END CERTIFICATE-----\n")
    (folder / "ca.pem").write_bytes(root + intermediate + b"-----END CERTIFICATE-----\n")


def _other_pair(folder: Path) -> None:
    AuthorityFiles(folder / "other").create([], PASSPHRASE, datetime.now(UTC))
    (folder / "ca.key").write_bytes((folder / "other" / "ca.key").read_bytes())


def _without_constraints(folder: Path) -> None:
    """An intermediate that could sign for any name."""
    root = AuthorityFiles(folder).load_root(PASSPHRASE)
    old = x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes())[0]
    builder = x509.CertificateBuilder(
        old.issuer, old.subject, old.public_key(), 1, old.not_valid_before_utc, old.not_valid_after_utc
    ).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pair = SigningPair(builder.sign(root.key, hashes.SHA256()), root.key)
    (folder / "ca.pem").write_bytes(to_pem(pair.certificate) + to_pem(root.certificate))


Spoil = Callable[[Path], object]
SPOILT: dict[str, tuple[Spoil, str]] = {
    "none": (lambda folder: (folder / "ca.pem").unlink(), "ca.certificate: pki/ca.pem cannot be read"),
    "text": (lambda folder: (folder / "ca.pem").write_text("x"), "ca.certificate: pki/ca.pem holds no cert"),
    "root": (
        lambda folder: (folder / "ca.pem").write_bytes((folder / "root.pem").read_bytes()),
        "ca.certificate: pki/ca.pem holds 1 certificate(s), not two; give the `ca.pem`",
    ),
    "order": (_swap, "ca.certificate: the first certificate in pki/ca.pem was not issued by the second"),
    "no_key": (lambda folder: (folder / "ca.key").unlink(), "ca.key: pki/ca.key cannot be read"),
    "roots_key": (
        lambda folder: (folder / "ca.key").write_bytes((folder / "root.key").read_bytes()),
        "ca.key: the key is encrypted; give the intermediate's `ca.key`; the root's is kept offline",
    ),
    "other_key": (_other_pair, "ca.key: the key is not the certificate's"),
    "unbound": (
        _without_constraints,
        "ca.certificate: the first certificate in pki/ca.pem is no intermediate with critical name",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT)
def test_files_that_cannot_be_used(write: Write, tmp_path: Path, spoil: Spoil, words: str) -> None:
    make_authority(tmp_path / "pki")
    spoil(tmp_path / "pki")
    found = complaint(write(GOOD + SETTING))
    assert words in found
    assert "PRIVATE KEY" not in found


def test_both_files_are_watched(write: Write, tmp_path: Path) -> None:
    make_authority(tmp_path / "pki")
    resolved = load_resolved(write(GOOD + SETTING), ENVIRON)
    assert {path.name for path in resolved.files} == {"gateway.yaml", "ca.pem", "ca.key"}


def test_the_key_in_a_variable(write: Write, tmp_path: Path) -> None:
    make_authority(tmp_path / "pki")
    config = write(GOOD + "ca: {certificate: pki/ca.pem, key: {env: CA_KEY}}\n")
    key = (tmp_path / "pki" / "ca.key").read_text()
    assert load_resolved(config, ENVIRON | {"CA_KEY": key}).ca is not None
    assert "ca.key: the environment variable CA_KEY is not set" in complaint(config)
    assert "ca.key: this is no private key" in complaint(config, {"CA_KEY": "nothing"})


def test_a_name_that_the_intermediate_cannot_sign_for(write: Write, tmp_path: Path) -> None:
    make_authority(tmp_path / "pki", ["gateway.internal"])
    setting = SETTING.replace("}}", "}, names: [gateway.internal, %s]}")
    assert complaints(write(GOOD + setting % "a.gateway.internal")) == []
    assert "ca.names: the intermediate cannot sign for other.internal; run `gateway ca renew" in complaint(
        write(GOOD + setting % "other.internal")
    )


def test_a_host_that_no_tunnel_leads_to_is_a_warning(write: Write, tmp_path: Path) -> None:
    make_authority(tmp_path / "pki", ["files.example.org"])
    hosts = "upstream: {extra_hosts: [files.example.org, other.example.org]}\n"
    warnings = load_resolved(write(GOOD + SETTING + hosts), ENVIRON).warnings
    assert [str(each).partition("upstream")[2] for each in warnings] == [
        ".extra_hosts.1: the intermediate of `ca` cannot sign for it: clients refuse tunnels "
        "that lead there; run `gateway ca renew DIR --host other.example.org`"
    ]


@pytest.mark.parametrize(("days", "words"), [(80, "expires soon, at"), (100, "expired at")])
def test_an_intermediate_near_its_end_is_a_warning(
    write: Write, tmp_path: Path, days: int, words: str
) -> None:
    make_authority(tmp_path / "pki", now=datetime.now(UTC) - timedelta(days=days))
    (warning,) = load_resolved(write(GOOD + SETTING), ENVIRON).warnings
    assert f"ca.certificate: {words}" in str(warning)
    assert "gateway ca renew" in str(warning)


def test_without_the_files(write: Write) -> None:
    """`gateway check --static` reads none."""
    assert load_static(write(GOOD + SETTING), {}).ca is None


MINTING = {
    "no_ca": (
        {"mint": True},
        "tls.mint: needs `ca`, which signs the certificates; run `gateway ca init DIR`",
    ),
    "nothing": ({}, "tls: there is no certificate to show; add `cert_file: …` and `key_file: …`, or `mint"),
    "no_key": ({"cert_file": "a"}, "tls.cert_file: needs `key_file` beside it"),
    "no_cert": ({"key_file": "a"}, "tls.key_file: needs `cert_file` beside it"),
}


@pytest.mark.parametrize(("tls", "words"), MINTING.values(), ids=MINTING)
def test_a_listener_shows_some_certificate(write: Write, tls: dict[str, object], words: str) -> None:
    assert words in complaint(write(GOOD + yaml.safe_dump({"tls": tls})))


def test_minting_beside_a_certificate(write: Write, tmp_path: Path) -> None:
    make_authority(tmp_path / "pki")
    resolved = load_resolved(write(GOOD + SETTING + "tls: {mint: true}\n"), ENVIRON)
    assert resolved.tls is not None
    assert (resolved.tls.mints, resolved.tls.expires) == (True, 0)


def test_webhooks_show_a_certificate_of_a_file(write: Write) -> None:
    found = complaints(write(GOOD + "webhooks: {tls: {mint: true}}\n"))
    assert any("webhooks.tls: there is no certificate to show; add `cert_file: …`" in line for line in found)


@pytest.mark.parametrize("form", ["file", "env"])
def test_a_good_key_is_no_problem_beside_another_one(form: str, write: Write, tmp_path: Path) -> None:
    """It is PEM, not the one line that other secrets are; one that is missing is still said."""
    make_authority(tmp_path / "pki")
    reference = "env: CA_KEY" if form == "env" else "file: pki/ca.key"
    path = write(f"{GOOD}ca: {{certificate: pki/ca.pem, key: {{{reference}}}}}\nnonsense: 1\n")
    environ = ENVIRON | {"CA_KEY": (tmp_path / "pki" / "ca.key").read_text()}
    (line,) = complaints(path, environ)
    assert "nonsense: unknown name" in line
    (tmp_path / "pki" / "ca.key").unlink()
    assert [": ca.key: " in each for each in complaints(path, ENVIRON)] == [True, False]


def test_variables_of_all_secrets_are_known(write: Write) -> None:
    """`gateway run` keeps them from its program: that of the CA's key, and of a store's token, too."""
    path = write(
        f"{GOOD}ca: {{certificate: pki/ca.pem, key: {{env: CA_KEY}}}}\n"
        "secret_stores: {vault: {address: https://vault.example.com, token: {env: VAULT_TOKEN}}}\n"
    )
    found = variable_references(load_static(path, {}).settings)
    assert found == {*ENVIRON, "CA_KEY", "VAULT_TOKEN"}
