"""Unmodified programs under `gateway run`: they call https://api.twilio.com, and the gateway answers.

Each creates five messages, lists them over three pages, updates and deletes one, and reads a page of another
HTTPS host; none of them knows a proxy, a certificate or a key (`run_programs/`).
"""

import asyncio
import json
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.client_relay.java_trust_store import build_java_trust_store
from tests.clients.programs import NODE_FOLDER, require_tool, run_program
from tests.clients.scene import WRONG_KEY, Scene, open_scene
from tests.support.authority import make_authority
from tests.support.free_ports import free_port
from tests.support.running import KEY
from tests.support.tls import Authority

PROGRAMS = Path(__file__).parent / "run_programs"
OTHER_TEXT = "untouched"
COMMANDS = {
    "python": (sys.executable, "tour.py"),
    "node": ("node", "tour.mjs"),
    "go": ("go",),
    "java-http": ("java", "Tour.java", "http"),
    "java-url": ("java", "Tour.java", "url"),
    "php": ("php", "tour.php"),
    "ruby": ("ruby", "tour.rb"),
    "curl": ("sh", "tour.sh"),
}
_SECONDS = 120


@dataclass(frozen=True)
class Place:
    """A gateway with a CA, and an HTTPS host that has nothing to do with it."""

    scene: Scene
    root: Path
    folder: Path
    other_url: str
    environ: dict[str, str]

    async def run(self, name: str, key: str = KEY, where: Sequence[str] = ()) -> tuple[int, str, str]:
        """A program under `gateway run`: exit code, standard output and error.

        `where` says how the gateway is found, by default by its URL and the root.
        """
        program, *arguments = COMMANDS[name]
        command = [require_tool(program), *arguments]
        if name == "go":  # `go run` would end with a code of its own
            command = [str(self.folder / "tour")]
            build = [require_tool("go"), "build", "-o", *command, "tour.go"]
            await run_program(build, PROGRAMS)
        key_file = self.folder / "key"
        key_file.write_text(key)
        key_file.chmod(0o600)
        where = where or ("--gateway", self.scene.url, "--ca", str(self.root))
        login = ("--consumer", "app", "--key-file", str(key_file))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", *where, *login, "--", *command,
            cwd=PROGRAMS, env=self.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        assert key not in (output + errors).decode()
        return process.returncode, output.decode(), errors.decode()


def _own_address() -> str:
    """An address of this machine that no client takes for local, so that it goes through the proxy; loopback
    where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing: it only looks for a route
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])


async def _other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(OTHER_TEXT)}\r\nConnection: close\r\n\r\n"
    writer.write((head + OTHER_TEXT).encode())
    writer.close()


def _trusting(folder: Path, authority: Authority) -> dict[str, str]:
    """An environment that trusts the other host's CA, as a company's might be trusted: `run` extends it."""
    pem = authority.write_ca(folder / "company.pem")
    store = folder / "company.p12"
    store.write_bytes(build_java_trust_store(b"", (folder / "company.pem").read_bytes()))
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    options = f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword=changeit"
    return {**dict.fromkeys(names, pem), "JAVA_TOOL_OPTIONS": options}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    address = _own_address()
    authority = Authority()
    tls: ssl.SSLContext = authority.serving(address)
    server = await asyncio.start_server(_other, address, 0, ssl=tls)
    other_url = f"https://{address}:{server.sockets[0].getsockname()[1]}/"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    environ = {
        **kept, **_trusting(tmp_path, authority), "OTHER_URL": other_url, "NODE_PROGRAMS": str(NODE_FOLDER),
        "TWILIO_ACCOUNT_SID": "AC" + "ab" * 16, "TWILIO_AUTH_TOKEN": "a-real-token-of-twilio-that-goes",
    }  # fmt: skip
    async with open_scene(ca=make_authority(tmp_path / "pki")) as scene:
        yield Place(scene, tmp_path / "pki" / "root.pem", tmp_path, other_url, environ)
    server.close()


@pytest.mark.parametrize("name", COMMANDS)
async def test_an_unmodified_program(name: str, node: str, place: Place) -> None:
    code, output, errors = await place.run(name)
    assert code == 0, errors
    assert json.loads(output) == {
        "pages": 3, "listed": 5, "updated": "", "deleted": True, "other": OTHER_TEXT,
    }  # fmt: skip
    assert place.scene.created() == {"messages": 5}
    lines = await place.scene.logged(10)
    assert {line["consumer"] for line in lines} == {"app"}
    assert [line["method"] for line in lines].count("GET") == 3


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_wrong_key_is_refused_in_the_programs_own_words(name: str, node: str, place: Place) -> None:
    """Inside the tunnel, in Twilio's shape: the SDKs raise their usual exception with our text."""
    code, output, errors = await place.run(name, WRONG_KEY)
    assert code == 3, errors
    refused: dict[str, Any] = json.loads(output)
    assert refused["refused"] == 401
    assert "The consumer key is not known here." in refused["message"]
    assert place.scene.reached() == []


async def test_every_client_is_led_to_the_gateway(place: Place) -> None:
    """`gateway env --check` under `gateway run`: all but the one that obeys no proxy."""
    COMMANDS["check"] = (
        sys.executable, "-m", "gateway", "env", "--check",
        "--gateway", place.scene.url, "--ca", str(place.root),
    )  # fmt: skip
    code, output, errors = await place.run("check")
    assert (code, errors) == (0, "")
    lines = [line.split() for line in output.splitlines()]
    checked = {line[0]: line[4:] for line in lines if line[1].endswith(".twilio.com")}
    assert set(checked) == {"python", "node", "go", "java", "php", "ruby", "csharp", "curl"}
    assert all(words == ["gateway"] for words in checked.values())


@pytest.mark.parametrize("tls", ["plain", "certificate", "mint"])
async def test_by_the_gateways_own_configuration(tls: str, place: Place, tmp_path: Path) -> None:
    """On its machine the gateway is found by its file, whatever certificate its port shows."""
    settings: dict[str, Any] = {"listen": f"127.0.0.1:{free_port()}", "ca": make_authority(tmp_path / "own")}
    if tls == "certificate":
        settings["tls"] = Authority().write_pair(tmp_path, "gateway.internal")
    elif tls == "mint":
        settings["tls"] = {"mint": True}
    async with open_scene(tmp_path, **settings) as scene:
        served = replace(place, scene=scene)
        code, output, errors = await served.run("curl", where=("--config", str(tmp_path / "gateway.yaml")))
        assert code == 0, errors
        assert json.loads(output)["pages"] == 3
        assert scene.created() == {"messages": 5}
