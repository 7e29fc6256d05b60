"""The environment of a program under `gateway run`: proxy and trust for each client, and no secrets. Pure.

Which client obeys which variable was measured (docs/facts.md, "Clients").
"""

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from gateway.client_relay.former_proxies import covers, covers_twilio, read_no_proxy

ZERO_SID: Final = "AC" + "0" * 32
"""Represents the account of the consumer's credential."""
PLACEHOLDER: Final = "0" * 32
"""In the place of a token or secret: of its form, because SDKs look at it before they send."""
BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
"""Variables that name *all* certificates that are trusted."""
EXTRA_BUNDLE: Final = "NODE_EXTRA_CA_CERTS"
"""Certificates that Node trusts in addition to its own."""
_JAVA_PASSWORD: Final = "changeit"  # noqa: S105 - of `ca/trust_formats.py`: a trust store holds no secret
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_MIN_SECRET: Final = 8
_SECRET_NAME: Final = re.compile(r"TOKEN|SECRET|PASSWORD|KEY")
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_SECRET_FORM: Final = re.compile(r"(?=.*[0-9])(?=.*[a-zA-Z])[0-9A-Za-z]{32}")
_NO_SECRET: Final = re.compile(r"[0-9]{0,7}|true|false|yes|no|on|off", re.IGNORECASE)
"""A setting such as TWILIO_TOKEN_TTL."""
_NO_JAVA_PROXY: Final = re.compile(r"-Dhttp\.nonProxyHosts=(\"[^\"]*\"|\S*)")
_LOCAL_TO_JAVA: Final = ("localhost", "127.*", "[::1]")
_TRUST_STORE: Final = re.compile(r"-Djavax\.net\.ssl\.trustStore(?:Password|Type)?=(?:\"[^\"]*\"|\S)*")


class TrustFiles(NamedTuple):
    """Files for the program. `bundles` has a file for each of `BUNDLES` and `EXTRA_BUNDLE`; `java` is a trust
    store, or '' if there is none; `php` a directory with a .ini file."""

    bundles: Mapping[str, str]
    java: str
    php: str


def build_environment(
    environ: Mapping[str, str],
    port: int,
    trust: TrustFiles,
    secrets: Collection[str],
    hosts: Collection[str] = (),
) -> dict[str, str]:
    """`port` is the relay's; `secrets` are values that no variable may hold, such as the consumer's key;
    `hosts` are the gateway's beside Twilio's."""
    found = without_secrets(environ, secrets)
    proxy = f"http://127.0.0.1:{port}"
    # What is left out here the relay exempts itself, but for the gateway's hosts.
    exempt = [entry for entry in read_no_proxy(environ) if not _covers_any(entry, hosts)]
    exempt += [name for name in _LOCAL if name not in exempt]
    for name in ("http_proxy", "https_proxy"):
        found[name] = found[name.upper()] = proxy
    found["no_proxy"] = found["NO_PROXY"] = ",".join(exempt)
    found |= trust.bundles
    found["JAVA_TOOL_OPTIONS"] = _java_options(environ.get("JAVA_TOOL_OPTIONS", ""), port, trust.java)
    former = environ.get("PHP_INI_SCAN_DIR")
    # An empty entry stands for PHP's own directory, an empty variable for none at all (php_ini.c).
    found["PHP_INI_SCAN_DIR"] = trust.php if former == "" else f"{former or ''}:{trust.php}"
    return found


def _covers_any(entry: str, hosts: Collection[str]) -> bool:
    return covers_twilio(entry) or any(covers(entry, host, 443) or covers(entry, host, 80) for host in hosts)


def without_secrets(environ: Mapping[str, str], secrets: Collection[str]) -> dict[str, str]:
    """Twilio's credentials replaced by placeholders; region and edge, which the gateway's credential has,
    left out; and so is every variable that holds one of the secrets under another name."""
    hidden = {value for value in secrets if len(value) >= _MIN_SECRET}
    hidden |= {
        value
        for name, value in environ.items()
        if name.startswith("TWILIO_") and len(value) >= _MIN_SECRET and _is_secret(name, value)
    }
    hidden = {value for value in hidden if value.strip("0")}  # placeholders, of a `gateway run` around this
    found = {}
    for name, value in environ.items():
        if name.startswith("TWILIO_") and _is_secret(name, value):
            found[name] = f"{value[:2]}{PLACEHOLDER}" if _SID.fullmatch(value) else PLACEHOLDER
        elif not any(secret in value for secret in hidden):
            found[name] = value
    for name in ("TWILIO_REGION", "TWILIO_EDGE"):
        found.pop(name, None)
    found |= {"TWILIO_ACCOUNT_SID": ZERO_SID, "TWILIO_AUTH_TOKEN": PLACEHOLDER}
    found |= {"TWILIO_API_KEY": f"SK{PLACEHOLDER}", "TWILIO_API_SECRET": PLACEHOLDER}
    return found


def _is_secret(name: str, value: str) -> bool:
    """By its name, or by its form: 32 letters and digits that are no SID."""
    if _SID.fullmatch(value):
        return value.startswith("SK")
    if _NO_SECRET.fullmatch(value) or (name.endswith(("_FILE", "_PATH", "_DIR")) and "/" in value):
        return False
    return _SECRET_NAME.search(name) is not None or _SECRET_FORM.fullmatch(value) is not None


def java_trust_store(options: str) -> tuple[str, str]:
    """Path and password of the trust store that Java's options name, '' for what they do not name."""
    named = dict(
        option.removeprefix("-Djavax.net.ssl.").replace('"', "").split("=", 1)
        for option in _TRUST_STORE.findall(options)
    )
    return named.get("trustStore", ""), named.get("trustStorePassword", "")


def _java_options(former: str, port: int, trust_store: str) -> str:
    """The last of two options of one name counts."""
    options = [former.strip()] if former.strip() else []
    for scheme in ("http", "https"):
        options += [f"-D{scheme}.proxyHost=127.0.0.1", f"-D{scheme}.proxyPort={port}"]
    named = "|".join(_NO_JAVA_PROXY.findall(former)).replace('"', "")
    exempt = [host for host in named.split("|") if host and not _covers_for_java(host.lower())]
    options.append(f"-Dhttp.nonProxyHosts={'|'.join(dict.fromkeys((*exempt, *_LOCAL_TO_JAVA)))}")
    if trust_store:
        options += [
            f"-Djavax.net.ssl.trustStore={trust_store}",
            f"-Djavax.net.ssl.trustStorePassword={_JAVA_PASSWORD}",
            "-Djavax.net.ssl.trustStoreType=PKCS12",
        ]
    return " ".join(options)


def _covers_for_java(entry: str) -> bool:
    """Whether an entry of `http.nonProxyHosts`, which may end with a star, exempts a host of Twilio's."""
    label, _, rest = entry.rstrip("*").partition(".")
    is_open = entry.endswith("*") and not label[:1].isdigit()  # 10.* are addresses
    return covers_twilio(entry) or (is_open and "twilio.com".startswith(rest))
