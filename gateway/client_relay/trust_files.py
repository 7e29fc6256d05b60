"""Writes what a program trusts into a directory: bundles of what it trusted before and our root, as PEM, as
Java's trust store, as PHP's setting.

Writes into the directory it is given, and reads what the environment named.
"""

import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.client_relay.program_environment import (
    BUNDLES,
    EXTRA_BUNDLE,
    TrustFiles,
    java_trust_store,
)

_SYSTEM: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
_INSTEAD: Final = {"REQUESTS_CA_BUNDLE": "CURL_CA_BUNDLE", "CURL_CA_BUNDLE": "SSL_CERT_FILE"}
"""What the readers of a variable, requests and curl, obey where it is not set."""
_PHP_SETTING: Final = re.compile(r"^[ \t]*(curl\.cainfo|openssl\.cafile)[ \t]*=[ \t]*\"?([^\"\n;]+)", re.M)
_JAVA_DEFAULT_PASSWORD: Final = "changeit"  # noqa: S105 - what keytool and JREs use
_KEYTOOL_SECONDS: Final = 60


def write_trust_files(
    folder: Path, root: bytes, environ: Mapping[str, str], warn: Callable[[str], None]
) -> TrustFiles:
    """`root` is PEM. `warn` is called with what could not be taken over; nothing is left out silently."""
    system = _system_bundle(warn)
    named = {name: _read_named(environ.get(name, ""), name, warn) for name in BUNDLES}
    bundles = {}
    for name in BUNDLES:
        before = named[name] or named[_INSTEAD.get(name, name)] or system
        bundles[name] = _write(folder / f"{name.lower()}.pem", before, root)
    extra = _read_named(environ.get(EXTRA_BUNDLE, ""), EXTRA_BUNDLE, warn)
    bundles[EXTRA_BUNDLE] = _write(folder / f"{EXTRA_BUNDLE.lower()}.pem", extra, root)
    php = folder / "php"
    php.mkdir()
    lines = []
    for name, value in _read_php_settings(environ.get("PHP_INI_SCAN_DIR", "")).items():
        # Its streams obey SSL_CERT_FILE. Its curl does not, and trusts the system where that is set.
        before = _read_named(value, name, warn) or named["SSL_CERT_FILE"] + system
        lines.append(f'{name}="{_write(folder / f"{name}.pem", before, root)}"\n')
    (php / "twilio-gateway.ini").write_text("".join(lines))
    java = _write_java(folder, system, root, environ.get("JAVA_TOOL_OPTIONS", ""), warn)
    return TrustFiles(bundles, java, str(php))


def _write(path: Path, before: bytes, root: bytes) -> str:
    path.write_bytes(before.rstrip(b"\n") + b"\n" * bool(before) + root)
    return str(path)


def _system_bundle(warn: Callable[[str], None]) -> bytes:
    # Not what SSL_CERT_FILE names, which `cafile` would be: only some clients obey it.
    for name in (ssl.get_default_verify_paths().openssl_cafile, *_SYSTEM):
        path = Path(name)
        if path.is_file():
            return path.read_bytes()
    warn("the system's CA certificates were not found: other HTTPS hosts will not be trusted")
    return b""


def _read_php_settings(scanned: str) -> dict[str, str]:
    """The files that the .ini files of PHP_INI_SCAN_DIR name, '' if none: of the folders in this order, the
    last one counts."""
    found = {"curl.cainfo": "", "openssl.cafile": ""}
    for folder in filter(None, scanned.split(":")):
        for path in sorted(Path(folder).glob("*.ini")):
            with suppress(OSError):  # PHP leaves it out, too
                text = path.read_text("utf-8", "replace")
                found |= {name: value.strip() for name, value in _PHP_SETTING.findall(text)}
    return found


def _read_named(name: str, variable: str, warn: Callable[[str], None]) -> bytes:
    """A file, or the PEM files of a directory, which Python's requests takes, too."""
    if not name:
        return b""
    path = Path(name)
    try:
        if path.is_dir():
            return b"".join(
                each.read_bytes() for each in sorted(path.iterdir()) if each.suffix in (".pem", ".crt")
            )
        return path.read_bytes()
    except OSError as error:
        warn(f"{variable} names {name}, which cannot be read ({error.strerror}): it is not taken over")
        return b""


def _write_java(folder: Path, system: bytes, root: bytes, options: str, warn: Callable[[str], None]) -> str:
    """The path of a trust store, or ''."""
    try:
        from gateway.client_relay.java_trust_store import build_java_trust_store
    except ImportError:
        if shutil.which("java"):
            warn("Java programs will not trust the gateway: pip install 'twilio-gateway[cryptography]'")
        return ""
    named, password = java_trust_store(options)
    before = _read_trust_store(Path(named), password, folder, warn) if named else system
    if named and not before:
        return ""
    path = folder / "java.p12"
    path.write_bytes(build_java_trust_store(before, root))
    return str(path)


def _read_trust_store(path: Path, password: str, folder: Path, warn: Callable[[str], None]) -> bytes:
    """The certificates of a Java trust store, as PEM; b'' if it cannot be read: Java then keeps it."""
    tool = shutil.which("keytool")
    why = "keytool is not installed"
    if tool is not None:
        command = [
            tool,
            "-list",
            "-rfc",
            "-keystore",
            str(path),
            "-storepass",
            password or _JAVA_DEFAULT_PASSWORD,
        ]
        try:
            # A list of arguments, so that no shell reads the path.
            done = subprocess.run(command, capture_output=True, timeout=_KEYTOOL_SECONDS, check=False)  # noqa: S603
            found = b"".join(_certificates(done.stdout))
            if found:
                return found
            why = "keytool finds no certificate in it"
        except (OSError, subprocess.TimeoutExpired):
            why = "keytool failed"
    warn(f"Java programs will not trust the gateway: they trust {path}, and {why}")
    return b""


def _certificates(text: bytes) -> Iterator[bytes]:
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    for part in text.split(begin)[1:]:
        body, found, _ = part.partition(end)
        if found:
            yield begin + body + end + b"\n"
