"""What each client trusts under `gateway run`: what it trusted before, by any name, and our root."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ca.certificate_authority import make_root, to_pem
from gateway.client_relay.trust_files import write_trust_files

ROOT = to_pem(make_root(datetime.now(UTC)).certificate)
COMPANY = to_pem(make_root(datetime(2026, 1, 1, tzinfo=UTC)).certificate)
SYSTEM = to_pem(make_root(datetime(2025, 1, 1, tzinfo=UTC)).certificate)


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The company's CA; the system's file has another."""
    (tmp_path / "system.pem").write_bytes(SYSTEM)
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(tmp_path / "system.pem"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    (tmp_path / "company.pem").write_bytes(COMPANY)
    return tmp_path / "company.pem"


def written(tmp_path: Path, **environ: str) -> dict[str, bytes]:
    """By variable, or PHP's setting: the bundle."""
    folder = tmp_path / "run"
    folder.mkdir()
    complaints: list[str] = []
    trust = write_trust_files(folder, ROOT, environ, complaints.append)
    assert complaints == []
    found = {name: Path(path).read_bytes() for name, path in trust.bundles.items()}
    (ini,) = Path(trust.php).glob("*.ini")
    for line in ini.read_text().splitlines():
        name, _, path = line.partition("=")
        found[name] = Path(path.strip('"')).read_bytes()
    return found


def test_without_variables_it_is_the_systems(company: Path, tmp_path: Path) -> None:
    found = written(tmp_path)
    assert found.pop("NODE_EXTRA_CA_CERTS") == ROOT
    assert set(found.values()) == {SYSTEM + ROOT}


@pytest.mark.parametrize(
    ("variable", "obeying"),
    [
        ("SSL_CERT_FILE", {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "curl.cainfo", "openssl.cafile"}),
        ("CURL_CA_BUNDLE", {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}),
        ("REQUESTS_CA_BUNDLE", {"REQUESTS_CA_BUNDLE"}),
        ("NODE_EXTRA_CA_CERTS", {"NODE_EXTRA_CA_CERTS"}),
    ],
)
def test_a_variable_counts_for_the_clients_that_obey_it(
    variable: str, obeying: set[str], company: Path, tmp_path: Path
) -> None:
    """curl falls back on SSL_CERT_FILE, requests on CURL_CA_BUNDLE. The others lose nothing."""
    found = written(tmp_path, **{variable: str(company)})
    assert {name for name, bundle in found.items() if COMPANY in bundle} == obeying
    assert all(ROOT in bundle for bundle in found.values())
    only_company = {name for name, bundle in found.items() if SYSTEM not in bundle}
    assert only_company <= obeying | {"NODE_EXTRA_CA_CERTS"}
    assert "curl.cainfo" not in only_company, "PHP's curl obeys no variable"


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("name", ["curl.cainfo", "openssl.cafile"])
def test_settings_of_php_that_were_there(name: str, quoted: bool, company: Path, tmp_path: Path) -> None:
    scanned = tmp_path / "conf.d"
    scanned.mkdir()
    (scanned / "10-other.ini").write_text(f"{name} = /nowhere.pem ; the former one\n;{name}=/nor/this\n")
    value = f'"{company}"' if quoted else str(company)
    (scanned / "20-company.ini").write_text(f"[php]\n  {name} = {value} ; ours\n")
    found = written(tmp_path, PHP_INI_SCAN_DIR=f":{scanned}:{tmp_path}/nowhere")
    assert found[name] == COMPANY + ROOT
    (other,) = {"curl.cainfo", "openssl.cafile"} - {name}
    assert COMPANY not in found[other]
