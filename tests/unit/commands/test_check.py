"""`gateway check`: what it prints where, and its exit codes; a good and a bad file also as a real process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Done, run_command
from tests.support.tls import Authority

ROOT = Path(__file__).parents[3]
CANARY = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa"
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "0a" * 16,
    "TWILIO_API_KEY": "SK" + "1b" * 16,
    "TWILIO_API_SECRET": CANARY,
}


def _check(*arguments: str, **environ: str) -> Done:
    return run_command("check", *arguments, environ={"PATH": os.environ["PATH"], **environ})


def _check_apart(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "check", *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _line(name: str) -> int:
    """Where the example has it first, from 1."""
    lines = (ROOT / "config/gateway.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(name))


def test_the_example_as_it_stands() -> None:
    done = _check_apart(**TWILIO)
    assert (done.returncode, done.stderr) == (0, "")
    first, *notes = done.stdout.splitlines()
    assert first == "config/gateway.yaml: ok, 1 credential, 1 consumer"
    assert all(note.startswith("note: ") for note in notes)


def test_no_note_is_about_creates_where_no_consumer_calls() -> None:
    done = _check("--static", "--only", "webhooks", "--config", "config/webhooks.yaml")
    assert done.returncode == 0
    assert "note: " not in done.stdout


def test_warnings(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    text = (ROOT / "config/gateway.yaml").read_text()
    path.write_text(text + "  fax: {keys: [{env: FAX}], credential: main}\n")
    done = _check("--config", str(path), FAX="sha256:" + "3d" * 32, **TWILIO)
    line = len(path.read_text().splitlines())
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == f"{path}: ok, 1 credential, 2 consumers"
    assert done.stdout.splitlines()[1].startswith(
        f"warning: {path}:{line}: consumers.fax: may call nothing: it"
    )


def test_what_can_never_be_reached(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    text = (ROOT / "config/gateway.yaml").read_text()
    path.write_text(
        text
        + "  fax: {keys: [{env: FAX}], credential: main, allow: [verify, POST api /2010-04-01/Mesages]}\n"
    )
    done = _check(
        *("--config", str(path)),
        FAX="sha256:" + "3d" * 32,
        GATEWAY__UPSTREAM__EXTRA_HOSTS='["api.ie1.twilio.com"]',
        **TWILIO,
    )
    assert done.returncode == 0
    assert "api.ie1.twilio.com stopped working in April 2026" in done.stdout
    assert "gives api.dublin.ie1.twilio.com" in done.stdout
    line = len(path.read_text().splitlines())
    assert f"warning: {path}:{line}: consumers.fax.allow.1: the rule 'POST api /2010-04-01/Mes" in done.stdout
    assert done.stdout.count("warning: ") == 2


def test_b1_consumers_whose_form_rules_refuse_more_are_named(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    text = (ROOT / "config/gateway.yaml").read_text()
    consumers = """
  voice: {keys: [{env: VOICE}], credential: main, allow: ["calls:create"], form: {to: ["+1"]}}
  listed:
    keys: [{env: LISTED}]
    credential: main
    allow: ["calls:create"]
    form: {to: ["+1"], callback_hosts: ["hooks.example.com"], applications: [], unknown_parameters: report}
"""
    path.write_text(text.rstrip() + consumers)
    done = _check("--config", str(path), VOICE="sha256:" + "3d" * 32, LISTED="sha256:" + "4e" * 32, **TWILIO)
    assert done.returncode == 0, done.stderr
    urls, applications = [line for line in done.stdout.splitlines() if "evade" in line]
    assert "consumers.voice.form: refuses FallbackUrl, Url on POST api " in urls
    assert urls.endswith("list the hosts of this consumer's TwiML in form.callback_hosts")
    assert "consumers.voice.form: refuses ApplicationSid" in applications


def test_problems() -> None:
    done = _check_apart(
        GATEWAY__LISTEN=CANARY, GATEWAY__CONSUMERS__BILLING__ALOW="[]", TWILIO_API_SECRET=CANARY
    )
    assert (done.returncode, done.stdout) == (2, "")
    expected = [
        "GATEWAY__CONSUMERS__BILLING__ALOW: consumers.billing.alow: unknown name; did you mean 'allow'?",
        "GATEWAY__LISTEN: listen: not host:port; write 127.0.0.1:8080",
        f"config/gateway.yaml:{_line('account_sid')}: credentials.main.account_sid: the environment variable",
        f"config/gateway.yaml:{_line('- sid')}: credentials.main.keys.0.sid: the environment variable",
    ]
    lines = done.stderr.splitlines()
    assert len(lines) == len(expected)
    assert all(any(line.startswith(start) for line in lines) for start in expected)
    assert CANARY not in done.stderr


def test_rules_are_compiled() -> None:
    done = _check(GATEWAY__CONSUMERS__BILLING__ALLOW='["messages:send", "POST"]', **TWILIO)
    assert done.returncode == 2
    assert done.stderr.startswith("GATEWAY__CONSUMERS__BILLING__ALLOW: consumers.billing.allow.1: ")


def test_a_missing_file() -> None:
    done = _check("--config", "none.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "none.yaml: cannot be read (No such file or directory); name a file by --config"
    )


def test_json() -> None:
    good = json.loads(_check("--json", **TWILIO).stdout)
    assert good == {"ok": True, "problems": [], "warnings": [], "credentials": 1, "consumers": 1}
    done = _check("--json", GATEWAY__LOG__LEVEL="loud", **TWILIO)
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout) == {
        "ok": False,
        "problems": [
            {
                "where": "GATEWAY__LOG__LEVEL",
                "key": "log.level",
                "message": "must be one of 'debug', 'info', 'warning' or 'error'",
                "hint": "",
                "temporary": False,
            }
        ],
        "warnings": [],
    }


def test_d2_static_needs_no_secret_and_no_mounted_file(tmp_path: Path) -> None:
    """The whole rest is checked: what is wrong in the file itself is found."""
    path = tmp_path / "gateway.yaml"
    text = (ROOT / "config/gateway.yaml").read_text()
    text += (
        "  fax: {keys: [{file: /run/secrets/fax}, {vault: 'a#b'}], credential: main, allow: [verify]}\n"
        "tls: {cert_file: tls.crt, key_file: tls.key, client_certificates: required, client_ca_file: ca}\n"
        "jwt: [{name: a, issuer: 'https://a.test', audience: g, jwks_file: keys.json}]\n"
        "secret_stores: {vault: {address: 'https://vault.test', token: {env: VAULT_TOKEN}}}\n"
        "store: {env: REDIS_URL}\n"
        "upstream: {proxy: {file: /run/secrets/proxy}, ca_file: ca.pem}\n"
    ).replace("admin:", "#")
    path.write_text(text)
    assert _check("--config", str(path)).returncode == 2
    done = _check("--config", str(path), "--static")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok, 1 credential, 2 consumers" in done.stdout
    path.write_text(text.replace("allow: [verify]", "allow: [POST api]"))
    done = _check("--config", str(path), "--static")
    assert done.returncode == 2
    assert "consumers.fax.allow.0" in done.stderr
    assert "env" not in done.stderr


@pytest.mark.parametrize("static", [(), ("--static",)], ids=["", "static"])
def test_d2_a_role_is_checked_as_it_is_served(tmp_path: Path, static: tuple[str, ...]) -> None:
    """`serve --only webhooks` reads no API key, and does not start without `webhooks`; `--only data` reads no
    webhook's secret."""
    data = (ROOT / "config/gateway.yaml").read_text()
    hooks = (ROOT / "config/webhooks.yaml").read_text().partition("\nwebhooks:")[2]
    both, alone = tmp_path / "both.yaml", tmp_path / "data.yaml"
    both.write_text(f"{data}\nwebhooks:{hooks}")
    alone.write_text(data)
    secrets = {"TWILIO_AUTH_TOKEN": CANARY, "ORDERS_WEBHOOK_SECRET": CANARY}
    account = {"TWILIO_ACCOUNT_SID": TWILIO["TWILIO_ACCOUNT_SID"]}

    def codes(path: Path, **environ: str) -> list[int]:
        options = [("--only", "webhooks"), ("--only", "data"), ()]
        return [_check("--config", str(path), *each, *static, **environ).returncode for each in options]

    assert codes(alone, **TWILIO) == [2, 0, 0]
    assert codes(both, **TWILIO, **secrets) == [0, 0, 0]
    if not static:
        assert codes(both, **account, **secrets) == [0, 2, 2]
        assert codes(both, **TWILIO) == [2, 0, 2]


def test_d2_ports_that_only_one_process_of_both_roles_opens_collide_there_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    hooks = (ROOT / "config/webhooks.yaml").read_text().partition("\nwebhooks:")[2]
    path.write_text(f"{(ROOT / 'config/gateway.yaml').read_text()}\nwebhooks:{hooks}")
    ports = {"GATEWAY__LISTEN": "127.0.0.1:8080", "GATEWAY__WEBHOOKS__LISTEN": "0.0.0.0:8080"}
    roles = [("--only", "webhooks"), ("--only", "data"), ()]
    done = [_check("--config", str(path), "--static", *role, **TWILIO, **ports) for role in roles]
    assert [each.returncode for each in done] == [0, 0, 2]
    assert "webhooks.listen: another port of the gateway has this address" in done[-1].stderr


def test_d2_static_and_online_exclude_each_other() -> None:
    done = _check("--static", "--online")
    assert done.returncode == 2
    assert "not allowed with argument" in done.stderr


D3_BESIDE = """\
listen: 0.0.0.0:8080
reuse_port: true
credentials:
  main:
    account_sid: AC00112233445566778899aabbccddeeff
    keys: [{sid: SK00112233445566778899aabbccddeeff, secret: {env: D3_SECRET}}]
  unused:
    account_sid: AC00112233445566778899aabbccddee00
    auth_token: {env: D3_SECRET}
consumers:
  billing:
    keys: ["sha256:aaaa111111111111111111111111111111111111111111111111111111111111"]
    credential: main
    allow: [messages:send, "GET api /2010-04-01/Nothing"]
  empty:
    keys: ["sha256:bbbb111111111111111111111111111111111111111111111111111111111111"]
    credential: main
"""
D3_LINES = (1, 2, 7, 9, 14, 15)
"""The lines that have a warning."""


@pytest.mark.parametrize(
    ("old", "new", "secret", "wrong", "warned"),
    [
        ("reuse_port", "reuse_port", "x" * 32, (), D3_LINES),
        ("reuse_port", "reuse_port", "", (6, 9), (1, 2, 9, 14, 15)),
        ("reuse_port: true", "reuse_prt: true", "x" * 32, (2,), (1, 7, 9, 14, 15)),
        ("messages:send", "messages:sned", "x" * 32, (14,), (1, 2, 9, 15)),
        ("credential: main", "credential: mian", "x" * 32, (13, 17), (1, 2, 9)),
        ("consumers:", "consumers: 5\nconsumer:", "x" * 32, (10, 11), (1, 2, 9)),
        ("AC00112233445566778899aabbccddee00", "AC0", "x" * 32, (8,), (1, 2, 14, 15)),
    ],
    ids=["good", "no secret", "a name", "a rule", "every credential", "no consumers", "a SID"],
)
def test_d3_warnings_beside_problems(
    tmp_path: Path, old: str, new: str, secret: str, wrong: tuple[int, ...], warned: tuple[int, ...]
) -> None:
    """One run tells everything, but for warnings that may only follow from a problem."""
    path = tmp_path / "gateway.yaml"
    path.write_text(D3_BESIDE.replace(old, new))
    environ = {"D3_SECRET": secret} if secret else {}
    done = _check("--json", "--config", str(path), **environ)
    found = json.loads(done.stdout)
    lines = {
        name: tuple(sorted({int(each["where"].rpartition(":")[2]) for each in found[name]}))
        for name in ("problems", "warnings")
    }
    assert lines == {"problems": wrong, "warnings": warned}
    shown = _check("--config", str(path), **environ)
    assert (shown.stdout + shown.stderr).count("warning: ") == len(found["warnings"])


@pytest.mark.parametrize(
    ("given", "is_warned"),
    [
        ("callers: {connections: 20x, connections_per_address: 15000}", False),
        ("store: redi://x\nstore_prefix: a", False),
        ("secret_stores: {aws: {region: eu-central-1}}\ndrain_seconds: x", False),
        ("callers: {connections_per_address: 15000}\ndrain_seconds: x", True),
    ],
)
def test_d3_nothing_is_without_effect_because_of_a_default_in_a_mistakes_place(
    tmp_path: Path, given: str, is_warned: bool
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"{(ROOT / 'config/gateway.yaml').read_text()}\n{given}\n")
    done = _check("--config", str(path), **TWILIO)
    assert done.returncode == 2
    assert ("without effect" in done.stderr) == is_warned, done.stderr


def test_d2_files_that_could_not_be_written(tmp_path: Path) -> None:
    """`serve` does not start without its audit trail, and does without the others; a folder may be mounted
    later. What CI checks is another machine's."""
    path = tmp_path / "gateway.yaml"
    text = (ROOT / "config/gateway.yaml").read_text()
    audit = "audit: {file: away/audit.log, key: {env: AUDIT_KEY}}\n"
    path.write_text(f"{audit}stop_file: away/stops\nkey_usage_file: .\n{text}")
    environ = TWILIO | {"AUDIT_KEY": "k" * 40}
    done = _check("--config", str(path), **environ)
    missing = f"cannot be written: there is no folder {tmp_path / 'away'}; make it, or mount it"
    assert (done.returncode, done.stderr.splitlines()[0]) == (75, f"{path}:1: audit.file: {missing}")
    path.write_text(path.read_text().removeprefix(audit))
    done = _check("--config", str(path), **environ)
    assert done.returncode == 0
    assert f"warning: {path}:1: stop_file: {missing}" in done.stdout.splitlines()
    assert f"warning: {path}:2: key_usage_file: is a folder; write the path of a file" in done.stdout
    assert "stop_file" not in _check("--config", str(path), "--static").stdout


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda file: file.symlink_to("away/audit.log"), "there is no folder"),
        (lambda file: file.symlink_to(file.name), "cannot be written (Too many levels of symbolic links)"),
        (os.mkfifo, "is no ordinary file"),
        (lambda file: file.symlink_to("/dev/null"), "is no ordinary file"),
        (Path.mkdir, "is a folder"),
    ],
    ids=["dangling", "circle", "fifo", "device", "folder"],
)
def test_d2_what_is_in_the_place_of_a_file_that_is_written(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "gateway.yaml"
    make(tmp_path / "a")
    text = (ROOT / "config/gateway.yaml").read_text()
    path.write_text(f"audit: {{file: a, key: {{env: AUDIT_KEY}}}}\n{text}")
    done = _check("--config", str(path), **TWILIO, AUDIT_KEY="k" * 40)
    assert done.returncode == 75
    assert why in done.stderr


@pytest.mark.parametrize("setting", ["audit.file", "stop_file", "key_usage_file"])
def test_d2_a_name_that_is_too_long_to_be_written(tmp_path: Path, setting: str) -> None:
    """Files that are replaced have one beside them for a moment, with five characters more."""
    path = tmp_path / "gateway.yaml"
    name = "a" * (256 if setting == "audit.file" else 251)
    line = f"{setting}: {name}" if "." not in setting else f"audit: {{file: {name}, key: {{env: AUDIT_KEY}}}}"
    path.write_text(f"{line}\n{(ROOT / 'config/gateway.yaml').read_text()}")
    done = _check("--config", str(path), **TWILIO, AUDIT_KEY="k" * 40)
    assert f"{path}:1: {setting}: cannot be written (File name too long)" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "address", "why"),
    [
        ("GATEWAY__LISTEN", "192.0.2.1:8080", "the address is not one of this machine's; write 0.0.0.0"),
        ("GATEWAY__LISTEN", "no-such-host.invalid:8080", "the host name has no address"),
        ("GATEWAY__ADMIN__LISTEN", "192.0.2.1:9090", "the address is not one of this machine's"),
    ],
)
def test_d2_a_port_that_could_not_be_opened(variable: str, address: str, why: str) -> None:
    """A name may be known, or an address this machine's, a while later. CI is another machine."""
    environ = TWILIO | {variable: address}
    if "ADMIN" in variable:
        environ |= {"GATEWAY__ADMIN__ALLOW_REMOTE": "true", "PAGE": "p" * 20, "METRICS": "m" * 20}
        environ |= {"GATEWAY__ADMIN__PAGE_TOKEN": '{"env": "PAGE"}'}
        environ |= {"GATEWAY__ADMIN__METRICS_TOKEN": '{"env": "METRICS"}'}
    done = _check(**environ)
    assert done.returncode == 75
    assert f"cannot listen on {address}: {why}" in done.stderr
    assert _check("--static", **environ).returncode == 0


def test_d2_a_port_that_is_taken_may_be_the_running_gateways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert _check(**TWILIO, GATEWAY__LISTEN=address).returncode == 0


@pytest.mark.parametrize(("families", "code"), [([255, socket.AF_INET], 0), ([255], 75)])
def test_d2_a_family_that_the_kernel_lacks_is_passed_over_if_another_serves(
    monkeypatch: pytest.MonkeyPatch, families: list[int], code: int
) -> None:
    """As the event loop does. No kernel has family 255, as some have no IPv6."""
    found = [(family, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0)) for family in families]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    done = _check(**TWILIO, GATEWAY__LISTEN="localhost:8080")
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(("secure", "code"), [(True, 0), (False, 75)], ids=["TLS", "plain"])
def test_d2_a_port_with_tls_needs_the_first_address_of_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secure: bool, code: int
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: found[: 1 if "127" in host else 2])
    tls = {"GATEWAY__TLS": json.dumps(Authority().write_pair(tmp_path, "localhost"))} if secure else {}
    done = _check(**TWILIO, **tls, GATEWAY__LISTEN="localhost:8080")
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("setting", ["CONNECT_TO", "PROXY"])
def test_d2_an_upstream_that_is_the_gateway_itself(setting: str) -> None:
    environ = {"GATEWAY__LISTEN": "127.0.0.1:8431", f"GATEWAY__UPSTREAM__{setting}": "http://localhost:8431"}
    done = _check(**TWILIO, **environ)
    assert done.returncode == 2
    assert "leads to 127.0.0.1, port 8431: the gateway's own listener" in done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("UPSTREAM__DEADLINE_SECONDS_MAX", "70", "could take longer than a stop waits for it"),
        ("CONCURRENCY__FLOOR", "2000", "are not in order"),
        ("TRACING__SEND_UPSTREAM", "true", "there is no span of ours to send"),
        ("TLS__MINT", "True", "needs `ca`"),
    ],
)
def test_d2_numbers_and_switches_of_variables_are_compared_as_those_of_the_file(
    setting: str, value: str, why: str
) -> None:
    done = _check(**TWILIO, **{f"GATEWAY__{setting}": value})
    assert done.returncode == 2
    assert why in done.stderr


@pytest.mark.parametrize("name", ["30", "true"])
def test_d2_names_in_variables_stay_texts(name: str) -> None:
    for setting in ("CONSUMERS__BILLING__CREDENTIAL", "CREDENTIALS__MAIN__REGION"):
        done = _check(**TWILIO, **{f"GATEWAY__{setting}": name})
        assert done.returncode == 2
        assert f"GATEWAY__{setting}: " in done.stderr
