"""The root in every form that clients take."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ca.certificate_authority import make_root, to_pem
from gateway.ca.trust_formats import TRUST_STORE_PASSWORD, fingerprint, to_der, to_java_trust_store
from tests.clients.programs import require_tool

ROOT = make_root(datetime.now(UTC)).certificate


def test_der_and_fingerprint_agree_with_openssl(tmp_path: Path) -> None:
    (tmp_path / "root.der").write_bytes(to_der(ROOT))
    command = ["openssl", "x509", "-inform", "der", "-in", "root.der", "-noout", "-fingerprint", "-sha256"]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert printed.strip().lower() == f"sha256 fingerprint={fingerprint(ROOT)}".lower()


@pytest.mark.slow
def test_java_trusts_what_the_store_holds(tmp_path: Path) -> None:
    keytool = require_tool("keytool")
    (tmp_path / "root.p12").write_bytes(to_java_trust_store(ROOT))
    command = [keytool, "-list", "-keystore", "root.p12", "-storepass", TRUST_STORE_PASSWORD]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "trustedCertEntry" in printed
    assert fingerprint(ROOT) in printed


def test_pem() -> None:
    assert to_pem(ROOT).startswith(b"-----BEGIN CERTIFICATE-----")
