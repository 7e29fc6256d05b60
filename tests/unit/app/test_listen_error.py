"""D8: a port that cannot be opened names its own setting and variable, and what is probably the cause."""

import errno
import socket
from pathlib import Path

import pytest

from gateway.app.listen_error import ListenError
from gateway.app.listen_trial import find_unopenable
from gateway.config.loading.resolve import load_resolved
from gateway.config.schema.addresses import ListenAddress
from tests.unit.config.conftest import ENVIRON, GOOD


@pytest.mark.parametrize(
    ("setting", "error", "expected"),
    [
        (
            "admin.listen",
            OSError(errno.EADDRINUSE, "in use"),
            "Cannot listen on 127.0.0.1:9090: the port is taken. Another gateway or another program has it. "
            "Change `admin.listen` or set GATEWAY__ADMIN__LISTEN.",
        ),
        (
            "listen",
            OSError(errno.EADDRNOTAVAIL, "no"),
            "Cannot listen on 127.0.0.1:9090: the address is not one of this machine's. ",
        ),
        (
            "listen",
            socket.gaierror(socket.EAI_NONAME, "unknown"),
            "Cannot listen on 127.0.0.1:9090: the host name has no address. The name is unknown here. "
            "Change `listen` or set GATEWAY__LISTEN.",
        ),
        ("listen", OSError(errno.EACCES, "no"), "Cannot listen on 127.0.0.1:9090: permission denied. Ports "),
        ("listen", OSError(errno.EMFILE, "Too many open files"), "Cannot listen on 127.0.0.1:9090: Too many"),
    ],
)
def test_d8_what_is_said(setting: str, error: OSError, expected: str) -> None:
    said = str(ListenError(setting, ListenAddress("127.0.0.1", 9090), error))
    assert said.startswith(expected)
    assert "Is another gateway running?" not in said


def test_an_ipv6_address_has_its_brackets() -> None:
    error = ListenError("listen", ListenAddress("::1", 80), OSError(errno.EACCES, ""))
    assert str(error).startswith("Cannot listen on [::1]:80: ")


def test_d2_a_port_that_the_user_of_check_may_not_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The gateway may have the capability, and the one who checks not."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = tmp_path / "gateway.yaml"
    path.write_text(f"listen: 127.0.0.1:443\n{GOOD}")
    resolved = load_resolved(path, ENVIRON)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    found = [each for each in find_unopenable(resolved) if each.key == "listen"]
    assert [each.message for each in found] == ["cannot listen on 127.0.0.1:443: permission denied"]
    assert found[0].hint == (
        "ports below 1024 need the capability CAP_NET_BIND_SERVICE; ports from 1024 on need none; "
        "check as the user who runs the gateway"
    )
    assert found[0].temporary
