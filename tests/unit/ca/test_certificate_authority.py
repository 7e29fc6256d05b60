"""What the CA signs, and what clients' libraries accept of it."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.certificate_authority import (
    SigningPair,
    is_permitted,
    make_intermediate,
    make_leaf,
    make_root,
    permitted_names,
    to_pem,
)
from gateway.ca.unnamed_files import load_pair

NOW = datetime.now(UTC).replace(microsecond=0)
ROOT = make_root(NOW)
INTERMEDIATE = make_intermediate(ROOT, ["hooks.example.org"], NOW)
LONG = "a" * 60 + ".verify.twilio.com"


def shake_hands(leaf: SigningPair, name: str, issuer: SigningPair = INTERMEDIATE) -> None:
    """A handshake in memory with a client that trusts the root, under OpenSSL's strict checks."""
    client = ssl.create_default_context(cadata=to_pem(ROOT.certificate).decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(server, to_pem(leaf.certificate) + to_pem(issuer.certificate), leaf.key_pem)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (near, far, near):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert near.version() is not None


@pytest.mark.parametrize("name", ["api.twilio.com", "twilio.com", "api.dublin.ie1.twilio.com", LONG])
def test_a_leaf_is_accepted_under_strict_checks(name: str) -> None:
    shake_hands(make_leaf(INTERMEDIATE, name, NOW), name)


def test_a_configured_host_is_accepted() -> None:
    shake_hands(make_leaf(INTERMEDIATE, "hooks.example.org", NOW), "hooks.example.org")


@pytest.mark.parametrize("name", ["example.com", "twilio.com.example.com", "nottwilio.com", "example.org"])
def test_a_leaf_for_another_name_is_refused(name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake_hands(make_leaf(INTERMEDIATE, name, NOW), name)


def test_a_ca_beneath_the_intermediate_is_refused() -> None:
    lower = make_intermediate(INTERMEDIATE, [], NOW)
    leaf = make_leaf(lower, "api.twilio.com", NOW)
    chain = SigningPair(lower.certificate, lower.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(leaf, "api.twilio.com", chain)


def test_what_a_leaf_says() -> None:
    found = make_leaf(INTERMEDIATE, "api.twilio.com", NOW).certificate
    extensions = found.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert names.get_values_for_type(x509.DNSName) == ["api.twilio.com"]
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert found.not_valid_before_utc == NOW - timedelta(hours=1)
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=7)


def test_a_leaf_ends_with_its_issuer() -> None:
    late = NOW + timedelta(days=88)
    leaf = make_leaf(INTERMEDIATE, "api.twilio.com", late).certificate
    assert leaf.not_valid_after_utc == INTERMEDIATE.certificate.not_valid_after_utc


def test_an_issuer_that_has_expired_still_signs() -> None:
    leaf = make_leaf(INTERMEDIATE, "api.twilio.com", NOW + timedelta(days=100)).certificate
    assert leaf.not_valid_after_utc == NOW + timedelta(days=100)
    assert leaf.not_valid_before_utc < leaf.not_valid_after_utc


def test_what_the_intermediate_says() -> None:
    found = INTERMEDIATE.certificate
    constraints = found.extensions.get_extension_for_class(x509.NameConstraints)
    basic = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.critical
    assert permitted_names(found) == ("twilio.com", "hooks.example.org")
    assert [str(each.value) for each in constraints.value.excluded_subtrees or ()] == ["0.0.0.0/0", "::/0"]
    assert (basic.ca, basic.path_length) == (True, 0)
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=90)
    assert permitted_names(ROOT.certificate) == ()


@pytest.mark.parametrize(
    ("name", "permitted"),
    [("twilio.com", True), ("a.b.twilio.com", True), ("xtwilio.com", False), ("com", False)],
)
def test_is_permitted(name: str, permitted: bool) -> None:
    assert is_permitted(name, ["twilio.com"]) is permitted


def test_no_key_is_shown() -> None:
    assert "key" not in repr(ROOT)
