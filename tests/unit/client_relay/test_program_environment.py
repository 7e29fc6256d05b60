"""The environment that a program gets: what leads Twilio's hosts here, and none of the secrets."""

import pytest

from gateway.client_relay.program_environment import (
    BUNDLES,
    EXTRA_BUNDLE,
    PLACEHOLDER,
    ZERO_SID,
    TrustFiles,
    build_environment,
    java_trust_store,
    without_secrets,
)

TRUST = TrustFiles(
    {name: f"/run/{name}.pem" for name in (*BUNDLES, EXTRA_BUNDLE)}, "/run/java.p12", "/run/php"
)
KEY = "gwCanaryOfTheKey0123456789"
TOKEN = "0123456789abcdef0123456789abcdef"


def built(**environ: str) -> dict[str, str]:
    return build_environment(environ, 4711, TRUST, {KEY})


def test_every_client_is_led_to_the_relay() -> None:
    found = built(PATH="/bin", LANG="C")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert found[name] == "http://127.0.0.1:4711", "without user and key"
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,::1"
    for name in (*BUNDLES, EXTRA_BUNDLE):
        assert found[name] == f"/run/{name}.pem"
    options = found["JAVA_TOOL_OPTIONS"].split()
    assert {"-Dhttps.proxyHost=127.0.0.1", "-Dhttps.proxyPort=4711", "-Dhttp.proxyPort=4711"} <= set(options)
    assert "-Djavax.net.ssl.trustStore=/run/java.p12" in options
    assert found["PHP_INI_SCAN_DIR"] == ":/run/php"
    assert (found["PATH"], found["LANG"]) == ("/bin", "C")


def test_what_was_there_is_extended() -> None:
    found = built(
        NO_PROXY="intra.example.com,.twilio.com,*",
        JAVA_TOOL_OPTIONS="-Xmx1g -Dhttps.proxyHost=old",
        PHP_INI_SCAN_DIR="/etc/php/conf.d",
    )
    assert found["NO_PROXY"] == "intra.example.com,localhost,127.0.0.1,::1"
    assert found["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Dhttps.proxyHost=old ")
    assert found["JAVA_TOOL_OPTIONS"].index("=old") < found["JAVA_TOOL_OPTIONS"].index("=127.0.0.1")
    assert found["PHP_INI_SCAN_DIR"] == "/etc/php/conf.d:/run/php"


def test_a_host_of_the_gateways_beside_twilios_is_not_exempt() -> None:
    """The relay still reaches the others of `example.org` directly."""
    former = {"NO_PROXY": "example.org,files.example.org:443,example.com,10.0.0.0/8"}
    found = build_environment(former, 4711, TRUST, {KEY}, ["files.example.org"])
    assert found["NO_PROXY"] == "example.com,10.0.0.0/8,localhost,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("former", "now"),
    [(None, ":/run/php"), ("", "/run/php"), (":", "::/run/php"), ("/a:", "/a::/run/php")],
)
def test_php_scans_what_it_scanned(former: str | None, now: str) -> None:
    """An empty variable keeps PHP from its own folder, an empty entry names it."""
    found = built() if former is None else built(PHP_INI_SCAN_DIR=former)
    assert found["PHP_INI_SCAN_DIR"] == now


def test_in_another_run_nothing_is_lost() -> None:
    """The outer one has put placeholders in the place of secrets, which are no secrets themselves."""
    outer = built(TWILIO_AUTH_TOKEN=TOKEN, OWN_ACCOUNT=ZERO_SID)
    assert outer.items() >= {"OWN_ACCOUNT": ZERO_SID}.items()
    assert build_environment(outer, 4712, TRUST, {KEY}).keys() == outer.keys()


@pytest.mark.parametrize(
    "hosts",
    ["*.example.com|10.*|*.twilio.com", '"*.example.com|10.*|*|*.com"', "*.example.com|api.*|10.*|mess*"],
)
def test_java_reaches_directly_what_it_reached_directly(hosts: str) -> None:
    found = built(JAVA_TOOL_OPTIONS=f"-Xmx1g -Dhttp.nonProxyHosts={hosts}")
    *_, last = (each for each in found["JAVA_TOOL_OPTIONS"].split() if "nonProxyHosts" in each)
    assert last == "-Dhttp.nonProxyHosts=*.example.com|10.*|localhost|127.*|[::1]"


def test_java_keeps_its_trust_store_where_there_is_no_other() -> None:
    found = build_environment({}, 1, TRUST._replace(java=""), set())
    assert "trustStore" not in found["JAVA_TOOL_OPTIONS"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ("", "")),
        ("-Djavax.net.ssl.trustStore=/a/b.jks -Djavax.net.ssl.trustStorePassword=pw", ("/a/b.jks", "pw")),
        ('-Xmx1g -Djavax.net.ssl.trustStore="/a b/c.jks"', ("/a b/c.jks", "")),
    ],
)
def test_a_trust_store_that_is_named(options: str, expected: tuple[str, str]) -> None:
    assert java_trust_store(options) == expected


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("TWILIO_AUTH_TOKEN", TOKEN, False),
        ("TWILIO_API_SECRET", "aB3" * 10 + "xy", False),
        ("TWILIO_API_KEY_SECRET", "short-one", False),
        ("TWILIO_MAIN", TOKEN, False),
        ("TWILIO_API_KEY_SID", "SK" + "ab" * 16, False),
        ("DATABASE_COPY_OF_TOKEN", f"x={TOKEN}", False),
        ("SOMETHING", KEY, False),
        ("CONFIG_JSON", f'{{"key": "{KEY}"}}', False),
        ("TWILIO_REGION", "ie1", False),
        ("TWILIO_EDGE", "dublin", False),
        ("TWILIO_FROM", "+15005550006", True),
        ("TWILIO_MESSAGING_SERVICE_SID", "MG" + "ab" * 16, True),
        ("TWILIO_LOG_LEVEL", "debug", True),
        ("OTHER_TOKEN", "of-somebody-else-0123", True),
        ("TWILIO_TOKEN_TTL", "3600", True),
        ("TWILIO_KEYWORDS_ON", "true", True),
        ("TWILIO_AUTH_TOKEN_FILE", "/run/secrets/twilio", True),
        ("ZEROS", f"AC{PLACEHOLDER}", True),
    ],
)
def test_secrets_are_taken_out(name: str, value: str, kept: bool) -> None:
    """Of Twilio's by name or by form, and whatever holds one of them, or the key, under another name."""
    environ = {name: value, "TWILIO_AUTH_TOKEN": TOKEN}
    found = without_secrets(environ, {KEY})
    assert (found.get(name) == value) is kept
    assert not any(TOKEN in each or KEY in each for each in found.values())
    assert found["TWILIO_ACCOUNT_SID"] == ZERO_SID
    assert found["TWILIO_AUTH_TOKEN"] == found["TWILIO_API_SECRET"] == PLACEHOLDER


def test_placeholders_have_the_form_of_what_they_stand_for() -> None:
    found = without_secrets({"TWILIO_API_KEY_SID": "SK" + "ab" * 16}, ())
    assert found["TWILIO_API_KEY_SID"] == f"SK{PLACEHOLDER}"
    assert all(value.isalnum() for value in found.values()), "twilio-go sends nothing else"
