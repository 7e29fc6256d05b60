"""Runs the menagerie through a gateway to the simulator, and writes the table of docs/compatibility.md.

`make zoo`, or `python -m tests.clients.zoo.run [--only NAME] [--way WAY] [--write]`. Environments are made
once, in `build/zoo/`, from pip, npm and Debian. Coming by name needs root (port 443) and Debian's package
libnss-wrapper, which shows a program a hosts file of its own; some get it by a mount. Exit code 1 if a client
that gates failed.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs

from gateway.ca.authority_files import read_certificates
from gateway.ca.trust_formats import to_java_trust_store
from tests.clients.documented_pages import PAGES, open_desk
from tests.clients.scene import ZERO_SID
from tests.clients.zoo.environment import (
    KEY,
    NSS_WRAPPER,
    Cage,
    call,
    command_of,
    prepare,
    version_of,
    with_own_hosts,
)
from tests.clients.zoo.menagerie import ABSENT, ANIMALS, BASE, NAME, PROXY, Animal
from tests.support.authority import make_authority
from tests.support.running import Running, consumer, running_gateway
from twilio_simulator import Simulator

TABLE = Path(__file__).parents[3] / "docs" / "compatibility.md"
# An address of this process alone, so that its port 443 is free.
_BY_NAME = f"127.77.{os.getpid() // 256 % 256}.{os.getpid() % 255 + 1}"
_ACCOUNTS = ["GET api /2010-04-01/Accounts", "GET api /2010-04-01/Accounts/{Sid}"]
_CONSUMERS = {"app": consumer(KEY, allow=["everything", *_ACCOUNTS], usernames=[ZERO_SID, "SK" + "0" * 32])}
_HEAD = """\
# Compatibility

<!-- Made by `make zoo` (tests/clients/zoo). -->

Real software, unmodified, through a gateway to the simulator: it creates a message and lists messages over
pages, as far as it can. *proxy* is a tunnel, by the proxy variables and the root of `gateway ca`; *base* is
the client's base URL; *name* is `api.twilio.com` led to the gateway, with `tls: {mint: true}`. "—": no such
way. How to set each up: [docs/clients/](clients/README.md).

| client | version | by proxy | by base URL | by name | sent twice | |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """How it went by one way. `why` is '' if it got through; `sends` is how often the message was created."""

    why: str
    sends: int


@dataclass(frozen=True)
class Grounds:
    """The gateways, by address and by name (None where that cannot be had), and what the clients trust."""

    gateway: Running
    minting: Running | None
    simulator: Simulator
    pki: Path

    def sends(self, text: str) -> int:
        """How often a message with this text was created."""
        forms = (parse_qs(entry.raw_body.decode("latin-1")) for entry in self.simulator.journal)
        return sum(form.get("Body") == [text] for form in forms)

    async def visit(self, animal: Animal, way: str) -> Outcome:
        """One client by one way."""
        text = f"{animal.name} {animal.version} by {way}".replace("'", "")  # some have a shell between
        if way == NAME and self.minting is None:
            return Outcome(f"by name it needs root and {NSS_WRAPPER}", 0)
        try:
            folder = await prepare(animal)
            cage = Cage(animal, folder, self.pki, self.gateway)
            command = command_of(animal, folder)
            if way == NAME and animal.own_hosts:
                command = with_own_hosts(command, self.pki / "hosts")
            code, output, errors = await call(command, folder, cage.environ(way, text))
        except (RuntimeError, TimeoutError, OSError) as error:
            return Outcome(str(error) or type(error).__name__, 0)
        sends = self.sends(text)
        if code:
            return Outcome(f"exit {code}: {(errors or output)[:600]}", sends)
        said = json.loads(output.strip().splitlines()[-1])
        good = said["sid"] == "SM" and said.get("listed", 1) >= 1 and said.get("own", True) and sends
        return Outcome("" if good else f"it said {said}, and {sends} arrived", sends)


@asynccontextmanager
async def open_grounds(by_name: bool) -> AsyncIterator[Grounds]:
    """Gateways in front of one simulator; with `by_name` one shows Twilio's names at port 443."""
    with TemporaryDirectory() as name:
        pki = Path(name)
        ca = make_authority(pki)
        (pki / "root.p12").write_bytes(to_java_trust_store(read_certificates(pki / "root.pem")[0]))
        (pki / "hosts").write_text(f"{_BY_NAME} api.twilio.com\n")
        async with (
            Simulator() as simulator,
            running_gateway(simulator.url, consumers=_CONSUMERS, ca=ca) as gateway,
        ):
            if not by_name:
                yield Grounds(gateway, None, simulator, pki)
                return
            listen = f"{_BY_NAME}:443"
            async with running_gateway(
                simulator.url, consumers=_CONSUMERS, ca=ca, tls={"mint": True}, listen=listen
            ) as minting:
                yield Grounds(gateway, minting, simulator, pki)


async def visit_all(animals: Sequence[Animal], ways: Sequence[str]) -> dict[Animal, dict[str, Outcome]]:
    """Each by each of its ways, one after the other."""
    found: dict[Animal, dict[str, Outcome]] = {}
    by_name = NAME in ways and os.geteuid() == 0 and NSS_WRAPPER.exists()
    async with open_grounds(by_name) as grounds:
        for animal in animals:
            for way in animal.ways:
                if way in ways:
                    found.setdefault(animal, {})[way] = outcome = await grounds.visit(animal, way)
                    print(f"{animal.name} {animal.version} by {way}: {outcome.why or 'ok'}", flush=True)
    return found


async def run_pages() -> None:
    """The commands of the pages that need something of the zoo. Raises AssertionError."""
    animal = next(each for each in ANIMALS if each.name == "twilio-cli")
    folder = await prepare(animal)
    with TemporaryDirectory() as name:
        async with open_desk(Path(name)) as desk:
            tools = os.pathsep.join([str(folder / "node_modules/.bin"), str(Path(sys.executable).parent)])
            desk.environ.update(PATH=os.pathsep.join([tools, os.environ["PATH"]]), HOME=name)
            await desk.work_through(PAGES / "twilio-cli.md", runs=("run", "zoo"))


def render(found: dict[Animal, dict[str, Outcome]], versions: dict[Animal, str]) -> str:
    """The text of docs/compatibility.md."""
    lines = []
    for animal, outcomes in found.items():
        cells = [
            "—" if way not in outcomes else "no" if outcomes[way].why else "yes"
            for way in (PROXY, BASE, NAME)
        ]
        twice = max(each.sends for each in outcomes.values()) > 1
        note = animal.note if animal.gates else f"{animal.note}; reported, no condition of a release"
        row = [animal.name, versions[animal], *cells, "yes" if twice else "no", note]
        lines.append(f"| {' | '.join(row)} |\n")
    absent = "".join(f"* {name}: {why}.\n" for name, why in ABSENT.items())
    return f"{_HEAD}{''.join(lines)}\n## Not here\n\n{absent}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every client that gates got through, else 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="clients whose name and version contain this")
    parser.add_argument("--way", choices=(PROXY, BASE, NAME), help="only this way")
    parser.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    args = parser.parse_args(arguments)
    animals = [each for each in ANIMALS if args.only in f"{each.name} {each.version}"]
    found = asyncio.run(visit_all(animals, (args.way,) if args.way else (PROXY, BASE, NAME)))
    if args.write:
        TABLE.write_text(render(found, {animal: version_of(animal) for animal in found}))
    if not args.only:
        asyncio.run(run_pages())
    return int(any(each.why for animal in found if animal.gates for each in found[animal].values()))


if __name__ == "__main__":
    sys.exit(main())
