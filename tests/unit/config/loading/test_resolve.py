"""What the lead's snapshot is compiled of: every reference followed, every default filled in."""

from pathlib import Path

import pytest
import trustme

from gateway.app.configuration import ConfigurationSource
from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import ResolvedConsumerKey
from gateway.config.problems import ConfigError
from gateway.secret_stores.secret_cache import SecretCache
from tests.unit.config.conftest import ACCOUNT_SID, DIGEST, ENVIRON, GOOD, KEY_SID, Write, complaints

OTHER_SID = "AC" + "5f" * 16
THIRD_SID = "AC" + "6a" * 16


def test_a_small_file(write: Write) -> None:
    path = write(GOOD)
    resolved = load_resolved(path, ENVIRON)
    main = resolved.credentials["main"]
    assert (resolved.listen, resolved.admin_listen) == (("127.0.0.1", 8080), ("127.0.0.1", 9090))
    assert (resolved.store, resolved.proxy, resolved.ca_file, resolved.files) == (None, None, None, (path,))
    assert (main.account_sid, main.region, main.edge, main.auth_token) == (ACCOUNT_SID, "us1", None, None)
    assert [(key.sid, key.secret.reveal()) for key in main.keys] == [(KEY_SID, ENVIRON["KEY_SECRET"])]
    assert resolved.consumers["billing"].keys == (ResolvedConsumerKey("2c" * 32, None),)
    assert resolved.consumers["billing"].settings.allow == ("everything",)


def test_a_large_file(write: Write, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "token").write_text("t0ken\n")
    (tmp_path / "digest").write_text(f"{DIGEST.upper().replace('SHA', 'sha').replace('2C', '3D')}\n")
    path = write(f"""\
listen: "[::1]:0"
store: {{env: STORE}}
upstream: {{ca_file: ca.pem, proxy: "http://proxy:3128/"}}
credentials:
  main:
    account_sid: {ACCOUNT_SID}
    auth_token: {{file: token}}
    region: ie1
    subaccounts:
      - {OTHER_SID}
      - {{account_sid: {THIRD_SID}, keys: [{{sid: {KEY_SID}, secret: {{file: token}}}}]}}
  other: {{account_sid: {ACCOUNT_SID}, auth_token: {{file: token}}, region: br1, edge: sao-paulo}}
consumers:
  billing:
    keys: [{{digest: "{DIGEST}", expires: 2027-01-01T01:00:00+01:00}}, {{file: digest}}]
    credential: main
""")
    resolved = load_resolved(path, {"STORE": "rediss://:pw@redis:6379/0"})
    assert resolved.listen == ("::1", 0)
    assert resolved.store is not None
    assert resolved.store.reveal() == "rediss://:pw@redis:6379/0"
    assert resolved.proxy is not None
    assert resolved.proxy.reveal() == "http://proxy:3128"
    assert resolved.ca_file is not None
    assert resolved.ca_file.path == tmp_path / "ca.pem"
    assert set(resolved.files) == {path, *(tmp_path / name for name in ("ca.pem", "token", "digest"))}
    main = resolved.credentials["main"]
    assert main.auth_token is not None
    assert (main.auth_token.reveal(), main.region, main.edge) == ("t0ken", "ie1", "dublin")
    assert [(each.account_sid, len(each.keys)) for each in main.subaccounts] == [
        (OTHER_SID, 0),
        (THIRD_SID, 1),
    ]
    assert resolved.credentials["other"].edge == "sao-paulo"
    assert resolved.consumers["billing"].keys == (
        ResolvedConsumerKey("2c" * 32, 1_798_761_600.0),
        ResolvedConsumerKey("3d" * 32, None),
    )


@pytest.mark.parametrize("value", ["memory", "redis://h"])
def test_a_store_by_reference(write: Write, value: str) -> None:
    store = load_resolved(write(f"{GOOD}store: {{env: STORE}}\n"), ENVIRON | {"STORE": value}).store
    assert (store and store.reveal()) == (None if value == "memory" else value)


def test_all_references_that_lead_nowhere_are_told_at_once(write: Write) -> None:
    path = write(f"{GOOD}upstream: {{proxy: {{env: PROXY}}}}\n")
    lines = complaints(
        path, {"ACCOUNT_SID": "x", "KEY_SID": "", "KEY_SECRET": "a\nb", "PROXY": "socks5://h:1"}
    )
    assert [line.split("; ")[0] for line in lines] == [
        "gateway.yaml:3: credentials.main.account_sid: the value of env:ACCOUNT_SID is not an AccountSid",
        "gateway.yaml:4: credentials.main.keys.0.sid: env:KEY_SID is empty",
        "gateway.yaml:4: credentials.main.keys.0.secret: env:KEY_SECRET has a line break or control "
        "character",
        "gateway.yaml:10: upstream.proxy: the value of env:PROXY is not a URL that can be used here",
    ]


@pytest.mark.parametrize(
    "value", ["http://proxy:3128'", "http://proxy:3128,", "http://OFFICE\\user:word-of-the-user@proxy:3128"]
)
def test_d2_a_proxy_by_reference_that_is_no_url_is_a_problem_and_no_fault(write: Write, value: str) -> None:
    """Also where further problems are looked for beside it."""
    source = ConfigurationSource(
        write(f"{GOOD}upstream: {{proxy: {{env: PROXY}}}}\n"), ENVIRON | {"PROXY": value}, SecretCache()
    )
    with pytest.raises(ConfigError) as caught:
        source.load()
    assert "upstream.proxy: the value of env:PROXY is not a URL that can be used here" in str(caught.value)
    assert "word-of-the-user" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param(
            "upstream: {proxy: {env: URL}}", "http://u:p%5C@xn--fa-hia.example:3128", id="idna-2008"
        ),
        pytest.param("upstream: {proxy: {env: URL}}", "http://xn--i-7iq.example", id="idna-2003"),
        pytest.param("store: {env: URL}", "redis://:pass\\word@redis:6379", id="backslash-for-redis"),
    ],
)
def test_d2_urls_that_the_client_reads_are_taken(write: Write, setting: str, value: str) -> None:
    resolved = load_resolved(write(f"{GOOD}{setting}\n"), ENVIRON | {"URL": value})
    found = resolved.proxy or resolved.store
    assert found is not None
    assert found.reveal() == value


def test_a_problem_found_later_has_its_line(write: Write) -> None:
    origins = load_resolved(write(GOOD), ENVIRON).origins
    problem = origins.problem(("consumers", "billing", "allow", 0), "no rule", "correct it")
    assert str(problem).endswith("gateway.yaml:9: consumers.billing.allow.0: no rule; correct it")
