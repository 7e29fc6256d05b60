"""Where a client of the zoo lives: its packages, how it is started, and what leads it to the gateway."""

import asyncio
import os
import shutil
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.ca.trust_formats import TRUST_STORE_PASSWORD
from tests.clients.scene import ZERO_SID
from tests.clients.zoo.menagerie import BASE, NAME, PROXY, Animal
from tests.support.running import Running

CACHE = Path(__file__).parents[3] / "build" / "zoo"
PROGRAMS = Path(__file__).parent / "programs"
NSS_WRAPPER = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/libnss_wrapper.so")
_JARS = ":".join(
    f"/usr/share/java/{name}.jar" for name in ("httpclient", "httpcore", "commons-logging", "commons-codec")
)
KEY = "gw0the0key0of0the0zoo0in0letters0and0digits0alone"  # apprise sends no others
_SECONDS = 180
_INSTALL_SECONDS = 900


async def call(
    command: Sequence[str], cwd: Path, environ: dict[str, str] | None = None, seconds: float = _SECONDS
) -> tuple[int, str, str]:
    """Run a program to its end: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(), errors.decode(errors="replace")


async def prepare(animal: Animal) -> Path:
    """Its environment, made if need be. Raises `RuntimeError` if its packages cannot be had."""
    folder = CACHE / "-".join([animal.manager or animal.program, *animal.packages]).replace("/", "_")
    done = folder / ".done"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = ["true"]
    if animal.manager == "pip":
        venv.create(folder / "venv", with_pip=True)
        pip = str(folder / "venv/bin/pip")
        command = [pip, "install", "-q", "--no-compile", "--disable-pip-version-check", *animal.packages]
    elif animal.manager == "npm":
        (folder / "package.json").write_text("{}")
        options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")
        command = ["npm", "install", *options, *animal.packages]
    code, output, errors = await call(command, folder, seconds=_INSTALL_SECONDS)
    if code:
        raise RuntimeError(f"{animal.name} {animal.version} cannot be installed: {(output + errors)[-300:]}")
    done.touch()
    return folder


def version_of(animal: Animal) -> str:
    """As the table shows it: the pinned one, or that of Debian's package."""
    if not animal.debian:
        return animal.version
    query = ["dpkg-query", "-W", "-f", "${Version}", animal.debian]
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return f"Debian {found}".strip()


def with_own_hosts(command: Sequence[str], hosts: Path) -> list[str]:
    """The command with another /etc/hosts, for it alone (mount_namespaces(7)). Needs root."""
    bind = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", bind, str(hosts), *command]


def command_of(animal: Animal, folder: Path) -> list[str]:
    """How its program is started; a copy of it is in its folder, so that it finds its packages there."""
    program = folder / animal.program
    for name in (animal.program, *animal.parts):
        shutil.copy(PROGRAMS / name, folder)
    if program.suffix == ".java":
        build = f"javac -cp {_JARS} -d . Zoo.java Apache.java"
        return ["sh", "-c", f"{build} && exec java -cp .:{_JARS} Zoo"]
    starters = {
        ".py": [str(folder / "venv/bin/python")],
        ".js": ["node"],
        ".mjs": ["node"],
        ".sh": ["sh"],
        ".php": ["php"],
        ".rb": ["ruby"],
        ".pl": ["perl"],
        ".go": ["go", "run"],
        ".erl": ["escript"],
    }
    return [*starters[program.suffix], str(program)]


@dataclass(frozen=True)
class Cage:
    """What surrounds one client while it runs."""

    animal: Animal
    folder: Path
    pki: Path
    gateway: Running

    def environ(self, way: str, text: str) -> dict[str, str]:
        """What leads it to the gateway, and nothing else that would."""
        root = str(self.pki / "root.pem")
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        tools = os.pathsep.join([str(self.folder / "node_modules/.bin"), os.environ["PATH"]])
        # A tunnel is known by the proxy's login, so that the request's own is not looked at; Java sends none.
        password = "placeholder" if way == PROXY and not self.animal.program.endswith(".java") else KEY
        login = {"ACCOUNT": ZERO_SID, "USERNAME": ZERO_SID, "PASSWORD": password}
        environ = {**kept, **login, "PATH": tools, "TEXT": text, "ROOT": root, **self.animal.variables}
        environ |= {"GOCACHE": str(self.folder / "cache"), "GOFLAGS": "-mod=mod"}
        if way == BASE:
            return environ | {"BASE": self.gateway.url}
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            environ[name] = root
        java = [
            f"-Djavax.net.ssl.trustStore={self.pki / 'root.p12'}",
            f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
        ]
        if way == PROXY:
            proxy = f"http://app:{KEY}@127.0.0.1:{self.gateway.port}"
            environ |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
            java += ["-Dhttps.proxyHost=127.0.0.1", f"-Dhttps.proxyPort={self.gateway.port}"]
        if way == NAME and not self.animal.own_hosts:
            environ |= {"LD_PRELOAD": str(NSS_WRAPPER), "NSS_WRAPPER_HOSTS": str(self.pki / "hosts")}
        return environ | {"JAVA_TOOL_OPTIONS": " ".join(java)}
