"""Certificates, issuers and claims in the file: their forms, and what contradicts."""

from pathlib import Path

import pytest
import yaml

from gateway.config.compile import compile_snapshot
from gateway.config.loading.load import load_settings
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from tests.support.jwt import jwks, rsa_key
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases, complaint, complaints

ISSUER = "{name: cluster, issuer: 'https://i', audience: gateway, jwks_url: 'https://i/jwks'}"
KEYLESS = GOOD.replace('    keys: ["sha256:' + "2c" * 32 + '"]\n', "")
"""Lines 1 to 8; what is appended goes on in `consumers.billing`."""

FORMS = cases(
    ("two", "certificates: [{san: a, cn: b}]", "certificates.0: must hold one of san and cn; write {san:"),
    ("none", "certificates: [{}]", "certificates.0: must hold one of san and cn"),
    ("text", "certificates: [billing.internal]", "certificates.0: must be a mapping"),
    ("unknown", "certificates: [{dns: a}]", "certificates.0.dns: unknown name"),
    ("wildcard", "certificates: [{san: '*.internal'}]", "certificates.0.san: neither a DNS name in lower"),
    ("uri_wildcard", "certificates: [{san: 'spiffe://a/*'}]", "certificates.0.san: neither a DNS name"),
    ("upper", "certificates: [{san: Billing}]", "certificates.0.san: neither a DNS name in lower case nor"),
    ("port", "certificates: [{san: 'billing:8080'}]", "certificates.0.san: neither a DNS name in lower"),
    ("empty_cn", "certificates: [{cn: ' '}]", "certificates.0.cn: empty, or has a control character or"),
    ("cn_wildcard", "certificates: [{cn: 'bill*'}]", "certificates.0.cn: empty, or has a control character"),
    ("no_claims", "jwt: [{issuer: cluster, claims: {}}]", "jwt.0.claims: is empty; write at least one"),
    ("number", "jwt: [{issuer: cluster, claims: {sub: 7}}]", "jwt.0.claims.sub: must be text"),
    ("path", "jwt: [{issuer: cluster, claims: {a/b: x}}]", "jwt.0.claims.a/b: neither a claim's name nor a"),
    ("empty_step", "jwt: [{issuer: cluster, claims: {/a//b: x}}]", "jwt.0.claims./a//b: neither a claim's"),
    ("no_issuer", "jwt: [{issuer: other, claims: {a: b}}]", "jwt.0.issuer: no issuer has this name; did"),
)


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_what_a_consumer_may_not_be_known_by(write: Write, text: str, expected: str) -> None:
    said = complaint(write(f"{GOOD}    {text}\njwt: [{ISSUER}]\n".replace("other", "clustr")))
    assert said.startswith(f"gateway.yaml:10: consumers.billing.{expected}")


@pytest.mark.parametrize(
    "text",
    [
        "certificates: [{san: billing.internal}, {san: 'spiffe://Example/a'}, {cn: Billing Service}]",
        "certificates: [{san: 'urn:uuid:1'}, {san: b_2}, {cn: billing.internal}]",
        "jwt: [{issuer: cluster, claims: {sub: 'system:serviceaccount:a:b', /kubernetes.io/namespace: a}}]",
        "jwt: [{issuer: cluster, claims: {'https://x/y': a, /a~1b: c}}]",
    ],
)  # fmt: skip
def test_a_consumer_without_keys(write: Write, text: str) -> None:
    path = write(f"{KEYLESS}    {text}\njwt: [{ISSUER}]\n")
    assert complaints(path) == []
    compile_snapshot(load_resolved(path, ENVIRON))


def test_a_consumer_must_be_known_by_something(write: Write) -> None:
    assert complaint(write(KEYLESS)).startswith(
        "gateway.yaml:6: consumers.billing: has no key, certificate or JWT claim to authenticate with; run"
    )


ISSUERS = cases(
    ("no_keys", "{jwks_url: null}", "jwt.0: needs one place of its keys; write one of `jwks_url: …` and"),
    ("both", "{jwks_file: gateway.yaml}", "jwt.0: needs one place of its keys"),
    ("http", "{jwks_url: 'http://issuer.test/jwks'}", "jwt.0.jwks_url: keys must not be fetched over plain"),
    ("ftp", "{jwks_url: 'ftp://issuer.test/jwks'}", "jwt.0.jwks_url: not a URL that can be used here"),
    ("password", "{jwks_url: 'https://a:b@i/jwks'}", "jwt.0.jwks_url: a user name or password must not"),
    ("none", "{algorithms: [none]}", "jwt.0.algorithms.0: must be one of 'RS256', "),
    ("hs256", "{algorithms: [RS256, HS256]}", "jwt.0.algorithms.1: must be one of 'RS256', "),
    ("no_algorithm", "{algorithms: []}", "jwt.0.algorithms: is empty; write at least one"),
    ("leeway", "{leeway_seconds: 3600}", "jwt.0.leeway_seconds: must be at most 300"),
    ("refresh", "{refresh_seconds: 1}", "jwt.0.refresh_seconds: must be at least 10"),
    ("ca", "{ca_file: none.pem}", "jwt.0.ca_file: the file none.pem cannot be read"),
    ("bad_ca", "{ca_file: gateway.yaml}", "jwt.0.ca_file: the file gateway.yaml is not PEM"),
    ("token", "{token_file: none}", "jwt.0.token_file: the file none cannot be read"),
)  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), ISSUERS)
def test_an_issuer(write: Write, change: str, expected: str) -> None:
    entry = yaml.safe_load(ISSUER) | yaml.safe_load(change)
    path = write(f"{GOOD}jwt: {yaml.safe_dump([entry], default_flow_style=True, width=1000)}\n")
    said = complaint(path)
    assert said.startswith("gateway.yaml:10: " + expected)


def test_issuers_are_told_apart_by_both_names(write: Write) -> None:
    lines = complaints(write(f"{GOOD}jwt:\n- {ISSUER}\n- {ISSUER}\n"))
    assert [line.split("; ")[0] for line in lines] == [
        "gateway.yaml:12: jwt.1.name: another issuer has this name",
        "gateway.yaml:12: jwt.1.issuer: given twice",
    ]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("certificates: [{san: a}]|certificates: [{cn: a}]", ""),
        ("certificates: [{san: a}]|certificates: [{cn: b}, {san: a}]", "certificates.1: the same name as"),
        ("jwt: [{issuer: cluster, claims: {a: b}}]|jwt: [{issuer: cluster, claims: {a: c}}]", ""),
        (
            "jwt: [{issuer: cluster, claims: {a: b}}]|jwt: [{issuer: cluster, claims: {a: b, c: d}}]",
            "jwt.0: a token can have these claims and those of consumers.billing.jwt.0; make them differ",
        ),
        (
            "jwt: [{issuer: cluster, claims: {c: d, a: b}}]|jwt: [{issuer: cluster, claims: {a: b, c: d}}]",
            "jwt.0: a token can have these claims and those of consumers.billing.jwt.0; make them differ",
        ),
    ],
)
def test_two_consumers(write: Write, entries: str, expected: str) -> None:
    first, second = entries.split("|")
    other = f"  mail:\n    credential: main\n    {second}\n"
    lines = complaints(write(f"{GOOD}    {first}\n{other}jwt: [{ISSUER}]\n"))
    assert [line.startswith(f"gateway.yaml:13: consumers.mail.{expected}") for line in lines] == (
        [True] if expected else []
    )


def test_what_is_of_no_use_is_said(write: Write) -> None:
    path = write(f"{GOOD}    certificates: [{{san: a}}]\njwt: [{ISSUER}]\n")
    assert [str(warning).removeprefix(f"{path}:") for warning in load_settings(path, ENVIRON).warnings] == [
        "10: consumers.billing.certificates: callers are not asked for certificates; "
        "write `client_certificates: optional` in `tls`",
        "11: jwt.0: no consumer is known by its tokens; remove it, or name it in a consumer's `jwt`",
    ]


def test_keys_in_a_file_are_read_and_watched(write: Write, tmp_path: Path) -> None:
    entry = ISSUER.replace("jwks_url: 'https://i/jwks'", "jwks_file: jwks.json")
    path = write(f"{GOOD}    jwt: [{{issuer: cluster, claims: {{sub: a}}}}]\njwt: [{entry}]\n")
    keys = tmp_path / "jwks.json"
    keys.write_bytes(jwks(rsa_key()))
    resolved = load_resolved(path, ENVIRON)
    assert set(resolved.files) == {path, keys}
    snapshot = compile_snapshot(resolved)
    assert snapshot.jwk_sets["cluster"].knows("rsa-1")
    assert snapshot.identities.issuers["https://i"].name == "cluster"
    keys.write_text('{"keys": []}')
    with pytest.raises(ConfigError, match=r"jwt\.0\.jwks_file: the file cannot be used: it has no RSA"):
        compile_snapshot(load_resolved(path, ENVIRON))


def test_without_the_extra_it_is_said_which(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.compile.is_installed", lambda: False)
    path = write(f"{GOOD}jwt: [{ISSUER}]\n")
    with pytest.raises(
        ConfigError, match=r"jwt: needs the joserfc package; pip install 'twilio-gateway\[jwt\]'"
    ):
        compile_snapshot(load_resolved(path, ENVIRON))
