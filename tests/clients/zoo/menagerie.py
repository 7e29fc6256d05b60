"""Real software that calls Twilio, pinned: how it is installed, what it runs, and by which ways it can come.

A program of `programs/` creates a message, lists messages over pages where the software can, and says what it
got as one line of JSON. It knows `https://api.twilio.com`; login, text and base URL are in its environment.
"""

from dataclasses import dataclass, field
from typing import Final

PROXY, BASE, NAME = "proxy", "base", "name"
_ONLY_SENDS: Final = "only sends"
_ONLY_READS: Final = "only reads; needs `GET /Accounts`"
_REPEATS_SID: Final = "repeats the zero SID in the body"
_NO_PROXY: Final = "obeys no proxy variable"
WAYS: Final = (PROXY, BASE, NAME)


@dataclass(frozen=True)
class Animal:
    """A client. `program` is a file of `programs/`; its suffix says what runs it. It needs `parts` beside it.

    `packages` are pinned requirements of pip or npm, by the program's language; `debian` is the package whose
    version is shown. `gates` is whether the zoo fails without it. `variables` are for its program alone.
    `own_hosts`: by name it needs /etc/hosts itself to be another, because it does not ask the C library.
    """

    name: str
    version: str
    program: str
    parts: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    ways: tuple[str, ...] = (PROXY,)
    note: str = ""
    debian: str = ""
    gates: bool = True
    manager: str = ""
    own_hosts: bool = False
    variables: dict[str, str] = field(default_factory=dict, hash=False)


def _pip(name: str, package: str, version: str, program: str, **more: object) -> Animal:
    return Animal(name, version, program, packages=(f"{package}=={version}",), manager="pip", **more)  # type: ignore[arg-type]


def _npm(name: str, package: str, version: str, program: str, **more: object) -> Animal:
    return Animal(name, version, program, packages=(f"{package}@{version}",), manager="npm", **more)  # type: ignore[arg-type]


def _debian(name: str, package: str, program: str, **more: object) -> Animal:
    return Animal(name, "Debian", program, debian=package, **more)  # type: ignore[arg-type]


_JAVA: Final = "takes no key from a proxy's URL: the login is the request's own"
ANIMALS: Final = (
    _pip(
        "twilio-python", "twilio", "6.63.2", "sdk.py", ways=(BASE,), note="takes no CA from the environment"
    ),
    *(
        _pip("twilio-python", "twilio", version, "sdk.py", ways=WAYS)
        for version in ("7.17.0", "8.13.0", "9.0.5", "9.13.0")
    ),
    _pip(
        "twilio-python, async", "twilio", "9.13.0", "sdk_async.py", ways=(BASE, NAME), note=_NO_PROXY
    ),
    _npm("twilio-node", "twilio", "2.11.1", "sdk_2.js", ways=(PROXY, NAME), note="has no base URL"),
    *(
        _npm("twilio-node", "twilio", version, "sdk.js", ways=WAYS)
        for version in ("3.84.1", "4.23.0", "6.3.1")
    ),
    _npm("twilio-cli", "twilio-cli", "6.2.4", "cli.sh", ways=(PROXY, NAME)),
    _npm(
        "Twilio's MCP server", "@twilio-alpha/mcp", "0.7.0", "mcp.js", ways=(NAME,),
        note=f"{_NO_PROXY}; {_REPEATS_SID}",
    ),
    _pip("apprise", "apprise", "1.9.3", "notify.py", ways=(PROXY, NAME), note=_ONLY_SENDS),
    _pip(
        "tap-twilio", "tap-twilio", "0.2.2", "singer.py", ways=(PROXY, NAME), parts=("reading.py",),
        note=_ONLY_READS,
    ),
    _pip(
        "Ansible's module", "ansible", "11.10.0", "ansible.sh", ways=(PROXY, NAME), note=_ONLY_SENDS
    ),
    _debian(
        "Go, net/http", "golang-go", "net_http.go", ways=WAYS, own_hosts=True,
        note="stands in for the SDK of Go",
    ),
    _debian(
        "PHP, curl", "php-cli", "curl.php", ways=WAYS, own_hosts=True, note="stands in for the SDK of PHP"
    ),
    _debian("PHP, streams", "php-cli", "streams.php", ways=(BASE, NAME), note=_NO_PROXY),
    _debian(
        "Symfony's notifier", "php-symfony-twilio-notifier", "symfony.php",
        ways=(PROXY, NAME), own_hosts=True, note=_ONLY_SENDS
    ),
    _debian("Ruby, Net::HTTP", "ruby", "net_http.rb", ways=WAYS, note="stands in for the SDK of Ruby"),
    _debian("Perl, LWP", "libwww-perl", "lwp.pl", ways=WAYS),
    _debian("Perl, HTTP::Tiny", "perl", "http_tiny.pl", ways=WAYS),
    _debian(
        "Erlang, httpc", "erlang-inets", "httpc.erl", ways=WAYS, note="proxy and CA are options"
    ),
    _debian("wget", "wget", "wget.sh", ways=WAYS, note="the CA is an option"),
    *(
        _debian(
            f"Java, {name}", package, "Zoo.java", ways=WAYS, note=note, parts=("Apache.java",),
            variables={"CLIENT": client},
        )
        for name, package, client, note in (
            ("HttpClient", "openjdk-17-jdk-headless", "http", _JAVA),
            ("HttpURLConnection", "openjdk-17-jdk-headless", "url", _JAVA),
            ("Apache HttpClient", "libhttpclient-java", "apache", f"stands in for the SDK of Java; {_JAVA}"),
        )
    ),
    _npm(
        "Node-RED's node", "node-red-node-twilio", "0.1.0", "node_red.js", ways=(PROXY, NAME), gates=False,
        note=_ONLY_SENDS,
    ),
    _npm("Novu", "@novu/twilio", "0.21.0", "novu.js", ways=(PROXY, NAME), gates=False, note=_ONLY_SENDS),
    _npm(
        "Activepieces", "@activepieces/piece-twilio", "0.2.0", "activepieces.js",
        ways=(PROXY, NAME), gates=False,
        note=_ONLY_SENDS,
    ),
    _pip(
        "django-otp-twilio", "django-otp-twilio", "1.0.5", "otp.py", ways=WAYS, gates=False, note=_ONLY_SENDS
    ),
    _pip(
        "twilio-python-async", "twilio-python-async", "0.2.3", "sdk_httpx.py", ways=(PROXY, NAME),
        gates=False, note="lists one page",
    ),
    _pip("notifiers", "notifiers", "2.0.0", "alert.py", ways=(PROXY, NAME), gates=False, note=_ONLY_SENDS),
    _pip(
        "PipelineWise's tap", "pipelinewise-tap-twilio", "1.1.2", "singer.py", ways=(PROXY, NAME),
        parts=("reading.py",), gates=False, note=_ONLY_READS,
    ),
    _npm(
        "Logto's connector", "@logto/connector-twilio-sms", "1.4.4", "logto.mjs", ways=(NAME,), gates=False,
        note=f"{_ONLY_SENDS}; {_NO_PROXY}",
    ),
    Animal(
        "Airbyte's source", "0.16.0", "airbyte.py", parts=("reading.py",),
        packages=("airbyte-source-twilio==0.16.0", "pip-system-certs==5.3"),
        ways=(PROXY, NAME), manager="pip", gates=False,
        note=f"{_ONLY_READS}; takes a CA from the environment with pip-system-certs alone",
    ),
    _pip(
        "pipecat", "pipecat-ai", "1.14.0", "hang_up.py", ways=(BASE, NAME), gates=False,
        note=f"only hangs up; {_NO_PROXY}",
    ),
    Animal(
        "n8n's node", "2.39.7", "n8n.js", packages=("n8n-nodes-base@2.39.7", "n8n-core@2.39.8"),
        ways=(PROXY, NAME), manager="npm", gates=False, note=_ONLY_SENDS,
    ),
)  # fmt: skip
ABSENT: Final = {
    "The SDKs of Go, PHP, Ruby, C# and Java": "on neither PyPI, npm nor Debian; their HTTP stacks stand in, "
    "but .NET's, which is not in Debian. From their sources, twilio-go 1.30.9, twilio-php 8.12.0 and "
    "twilio-ruby 7.11.1 were run once by hand, by base URL and under `gateway run`: they create, list over "
    "three pages, update and delete, and raise their usual errors with the gateway's words",
}
"""What is not in the zoo, and why."""
