"""Runs the menagerie through a gateway to the simulator, and writes the table of docs/compatibility.md.

`make zoo`, or `python -m tests.clients.zoo.run [--only NAME] [--write]`. Environments are made once, in
`build/zoo/`, from pip, npm and Debian. Exit code 1 if a client did not get through.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs

from tests.clients.scene import CONSUMERS, ZERO_SID
from tests.clients.zoo.menagerie import ANIMALS, Animal
from tests.support.authority import make_authority
from tests.support.running import KEY, Running, running_gateway
from twilio_simulator import Simulator

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "build" / "zoo"
TABLE = ROOT / "docs" / "compatibility.md"
_SECONDS = 180
_SUFFIX = {"python": "py", "node": "js", "php": "php", "ruby": "rb", "go": "go"}
_HEAD = """\
# Compatibility

<!-- Made by `make zoo` (tests/clients/zoo). -->

Real software, unmodified, through a gateway to the simulator: it creates a message and lists messages over
pages. *proxy* is a tunnel, by the proxy variables and the root of `gateway ca`; *base* is the client's base
URL. Where an SDK is on neither PyPI, npm nor Debian, its HTTP stack stands in.

| client | version | by proxy | by base URL | sent twice | |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """How it went by one way. `why` is '' if it got through; `sends` is how often the message was created."""

    why: str
    sends: int


async def call(
    command: Sequence[str], cwd: Path, environ: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a program to its end: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(), errors.decode(errors="replace")


async def prepare(animal: Animal) -> Path:
    """Its environment, made if need be. Raises `RuntimeError` if its packages cannot be had."""
    folder = CACHE / "-".join([animal.kind, *animal.packages]).replace("/", "_")
    done = folder / ".done"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if animal.kind == "python":
        venv.create(folder / "venv", with_pip=True)
        command = [
            str(folder / "venv/bin/pip"),
            "install",
            "-q",
            "--disable-pip-version-check",
            *animal.packages,
        ]
    elif animal.kind == "node":
        (folder / "package.json").write_text("{}")
        command = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            *animal.packages,
        ]
    else:
        command = ["true"]
    code, output, errors = await call(command, folder)
    if code:
        raise RuntimeError(f"{animal.name} {animal.version} cannot be installed: {(output + errors)[-300:]}")
    done.touch()
    return folder


def command_of(animal: Animal, folder: Path) -> list[str]:
    """How its program is started."""
    program = folder / f"program.{_SUFFIX[animal.kind]}"
    program.write_text(animal.program)
    starters = {
        "python": [str(folder / "venv/bin/python")],
        "node": ["node"],
        "php": ["php"],
        "ruby": ["ruby"],
        "go": ["go", "run"],
    }
    return [*starters[animal.kind], str(program)]


def environ_of(gateway: Running, pki: Path, text: str, folder: Path, way: str) -> dict[str, str]:
    """What leads it to the gateway, and nothing else that would."""
    root = str(pki / "root.pem")
    proxy = f"http://app:{KEY}@127.0.0.1:{gateway.port}"
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {"ACCOUNT": ZERO_SID, "TEXT": text, "ROOT": root, "GATEWAY": gateway.url, "KEY": KEY}
    environ |= {"GOCACHE": str(folder / "cache"), "GOFLAGS": "-mod=mod"}
    if way == "proxy":
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            environ[name] = proxy
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            environ[name] = root
    return environ


async def visit(animal: Animal, way: str, gateway: Running, simulator: Simulator, pki: Path) -> Outcome:
    """One client by one way."""
    text = f"{animal.name} {animal.version} by {way}"
    try:
        folder = await prepare(animal)
        environ = environ_of(gateway, pki, text, folder, way)
        code, output, errors = await call(command_of(animal, folder), folder, environ)
    except (RuntimeError, TimeoutError, OSError) as error:
        return Outcome(str(error) or type(error).__name__, 0)
    forms = (parse_qs(entry.raw_body.decode("latin-1")) for entry in simulator.journal)
    sends = sum(form.get("Body") == [text] for form in forms)
    if code:
        return Outcome(f"exit {code}: {(errors or output)[-400:]}", sends)
    said = json.loads(output.strip().splitlines()[-1])
    good = said["sid"] == "SM" and said["listed"] >= 1 and said["own"]
    return Outcome("" if good else f"it said {said}", sends)


async def visit_all(animals: Sequence[Animal]) -> dict[Animal, dict[str, Outcome]]:
    """Each by each of its ways, one after the other."""
    found: dict[Animal, dict[str, Outcome]] = {}
    with TemporaryDirectory() as name:
        pki = Path(name) / "pki"
        ca = make_authority(pki)
        async with (
            Simulator() as simulator,
            running_gateway(simulator.url, consumers=CONSUMERS, ca=ca) as gateway,
        ):
            for animal in animals:
                for way in animal.ways:
                    outcome = await visit(animal, way, gateway, simulator, pki)
                    found.setdefault(animal, {})[way] = outcome
                    print(f"{animal.name} {animal.version} by {way}: {outcome.why or 'ok'}", flush=True)
    return found


def render(found: dict[Animal, dict[str, Outcome]]) -> str:
    """The text of docs/compatibility.md."""
    lines = []
    for animal, outcomes in found.items():
        cells = [
            "—" if way not in outcomes else "no" if outcomes[way].why else "yes" for way in ("proxy", "base")
        ]
        twice = max(each.sends for each in outcomes.values()) > 1
        row = [animal.name, animal.version, *cells, "yes" if twice else "no", animal.note]
        lines.append(f"| {' | '.join(row)} |\n")
    return _HEAD + "".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every client got through, else 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="clients whose name and version contain this")
    parser.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    args = parser.parse_args(arguments)
    animals = [each for each in ANIMALS if args.only in f"{each.name} {each.version}"]
    found = asyncio.run(visit_all(animals))
    if args.write:
        TABLE.write_text(render(found))
    return int(any(outcome.why for outcomes in found.values() for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
