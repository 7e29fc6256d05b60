"""What the files of `tls:` may hold, and what is said of those that cannot be used."""

import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.checking.setting_warnings import find_expiring_certificate
from gateway.config.loading.certificate_files import CertificateError, read_expiry
from gateway.config.loading.resolve import load_resolved
from tests.support.tls import PAST, Authority
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases, complaint, complaints

Spoil = Callable[[Path, Authority], object]
PAIR = "tls: {cert_file: tls.crt, key_file: tls.key"


def _encrypt(folder: Path, _: Authority) -> None:
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:xyzzy", "-in", "tls.key", "-out", "encrypted"]
    subprocess.run(command, check=True, cwd=folder)
    (folder / "encrypted").replace(folder / "tls.key")


SPOILT = [
    pytest.param(
        lambda folder, _: (folder / "tls.crt").unlink(),
        "tls.cert_file: the file tls.crt cannot be read (No such file or directory); mount it, or",
        id="no_certificate",
    ),
    pytest.param(
        lambda folder, _: (folder / "tls.key").unlink(),
        "tls.key_file: the file tls.key cannot be read (No such file or directory); mount it, or",
        id="no_key",
    ),
    pytest.param(
        lambda folder, _: (folder / "tls.crt").write_text("0\x82"),
        "tls.cert_file: the file tls.crt is not PEM; convert it",
        id="der",
    ),
    pytest.param(
        lambda folder, _: (folder / "tls.key").replace(folder / "tls.crt"),
        "tls.cert_file: the file tls.crt holds no certificate; give a PEM certificate and its chain",
        id="key_for_certificate",
    ),
    pytest.param(
        lambda folder, _: (folder / "tls.key").write_text((folder / "tls.crt").read_text()),
        "tls.key_file: the key in tls.key cannot be used (not a private key); give the private key of",
        id="certificate_for_key",
    ),
    pytest.param(
        lambda folder, authority: authority.issue().private_key_pem.write_to_path(folder / "tls.key"),
        "tls.key_file: the key in tls.key cannot be used (key values mismatch); give the private key of",
        id="foreign_key",
    ),
    pytest.param(_encrypt, "tls.key_file: the key in tls.key is encrypted; decrypt it", id="encrypted"),
    pytest.param(
        lambda folder, _: (folder / "tls.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n"),
        "tls.cert_file: the file tls.crt holds no certificate",
        id="half_a_certificate",
    ),
    pytest.param(
        lambda folder, _: (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n"),
        "tls.client_ca_file: the file ca.pem holds no certificates; give PEM certificates of CAs",
        id="bad_ca",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "expected"), SPOILT)
def test_files_that_cannot_be_used(write: Write, tmp_path: Path, spoil: Spoil, expected: str) -> None:
    authority = Authority()
    authority.write_pair(tmp_path)
    authority.write_ca(tmp_path / "ca.pem")
    path = write(f"{GOOD}{PAIR}, client_certificates: optional, client_ca_file: ca.pem}}\n")
    assert complaints(path) == []
    keys = (tmp_path / "tls.key").read_text().splitlines()
    spoil(tmp_path, authority)
    said = complaint(path)
    assert said.startswith(f"gateway.yaml:10: {expected}")
    assert not any(line in said for line in keys if not line.startswith("-----"))


@pytest.mark.parametrize(
    ("more", "expected"),
    cases(
        (
            "required_of_nobody",
            "client_certificates: required",
            "tls.client_certificates: no CA is named that could have issued them; add `client_ca_file: …`",
        ),
        (
            "ca_for_nothing",
            "client_ca_file: ca.pem",
            "tls.client_ca_file: callers are not asked for a certificate; write `client_certificates:",
        ),
        ("version", "min_version: 1.1", "tls.min_version: must be one of 'TLSv1.2' or 'TLSv1.3'"),
        ("demand", "client_certificates: on", "tls.client_certificates: must be one of 'none', "),
    ),
)
def test_settings_that_do_not_fit(write: Write, tmp_path: Path, more: str, expected: str) -> None:
    authority = Authority()
    authority.write_pair(tmp_path)
    authority.write_ca(tmp_path / "ca.pem")
    assert complaint(write(f"{GOOD}{PAIR}, {more}}}\n")).startswith(f"gateway.yaml:10: {expected}")


def test_a_reload_watches_the_files(write: Write, tmp_path: Path) -> None:
    authority = Authority()
    authority.write_pair(tmp_path, expires=datetime(2199, 1, 1, tzinfo=UTC))
    authority.write_ca(tmp_path / "ca.pem")
    path = write(f"{GOOD}{PAIR}, client_certificates: required, client_ca_file: ca.pem}}\n")
    resolved = load_resolved(path, ENVIRON)
    assert resolved.tls is not None
    assert resolved.tls.expires == datetime(2199, 1, 1, tzinfo=UTC).timestamp()
    assert set(resolved.files) == {path, *(tmp_path / name for name in ("tls.crt", "tls.key", "ca.pem"))}
    assert resolved.warnings == ()


@pytest.mark.parametrize("year", [1950, 1999, 2000, 2049, 2050, 2999])
def test_when_a_certificate_ends(tmp_path: Path, year: int) -> None:
    """Both notations of RFC 5280; openssl reads the same."""
    ends = datetime(year, 2, 28, 23, 59, 58, tzinfo=UTC)
    leaf = Authority().ca.issue_cert("x", not_before=datetime(1950, 1, 1, tzinfo=UTC), not_after=ends)
    pem = "comments may stand before\n" + leaf.cert_chain_pems[0].bytes().decode()
    assert read_expiry(pem, tmp_path) == ends.timestamp()
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate"], input=pem, text=True, capture_output=True, check=True
    ).stdout
    assert f"Feb 28 23:59:58 {year}" in shown


@pytest.mark.parametrize("length", [0, 1, 5, 60, 200, 400])
def test_a_certificate_cut_short_is_none(tmp_path: Path, length: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(Authority().issue().cert_chain_pems[0].bytes().decode())
    cut = ssl.DER_cert_to_PEM_cert(der[:length])
    with pytest.raises(CertificateError):
        read_expiry(cut, tmp_path)


def test_an_ending_certificate_is_doubtful(write: Write, tmp_path: Path) -> None:
    Authority().write_pair(tmp_path, expires=PAST)
    [warning] = load_resolved(write(f"{GOOD}{PAIR}}}\n"), ENVIRON).warnings
    assert str(warning).endswith(
        ":10: tls.cert_file: expired at 2020-01-01T00:00:00+00:00; put a new certificate and key in place of "
        "the old; the gateway need not be restarted"
    )
    soon, later = datetime(2019, 12, 18, tzinfo=UTC), datetime(2019, 12, 17, tzinfo=UTC)
    [finding] = find_expiring_certificate(PAST.timestamp(), soon)
    assert finding.message == "expires soon, at 2020-01-01T00:00:00+00:00"
    assert find_expiring_certificate(PAST.timestamp(), later) == []
