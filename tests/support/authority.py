"""A CA of the gateway's own for tests: its files, and contexts of clients that trust its root."""

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.ca.authority_files import AuthorityFiles

PASSPHRASE = b"the passphrase of a test"


def make_authority(folder: Path, hosts: Iterable[str] = (), *, now: datetime | None = None) -> dict[str, Any]:
    """Make a CA in `folder`; the value of the setting `ca`."""
    AuthorityFiles(folder).create(hosts, PASSPHRASE, now or datetime.now(UTC))
    return ca_setting(folder)


def ca_setting(folder: Path) -> dict[str, Any]:
    """The value of the setting `ca`."""
    return {"certificate": str(folder / "ca.pem"), "key": {"file": str(folder / "ca.key")}}


def trusting_root(folder: Path) -> ssl.SSLContext:
    """A client's context, as strict as Python 3.13's default is."""
    context = ssl.create_default_context(cafile=str(folder / "root.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
