"""Settings for places without `gateway run`: they can be read by what they are for, and hold no key."""

import subprocess

import pytest
import yaml

from gateway.client_relay.settings_text import FORMATS, KEY_VARIABLE, ProgramSettings

SETTINGS = ProgramSettings("billing", "http", "gateway:8080", "/etc/twilio-gateway", ("example.com",))
KEY = "gwCanaryOfTheKey"
PROXY = f"http://billing:{KEY}@gateway:8080"


SHELLS = ("sh", "bash")
"""bash reads quotation marks in `${…:?…}` otherwise than dash does: of both, every variable is there."""


@pytest.mark.parametrize("shell", SHELLS)
def test_sh(shell: str) -> None:
    text = FORMATS["sh"](SETTINGS)
    shown = (
        'eval "$1"; echo "$HTTPS_PROXY $https_proxy $HTTP_PROXY $http_proxy $NO_PROXY ${TWILIO_REGION-none}"'
    )
    done = subprocess.run(
        [shell, "-uc", shown, "sh", text],
        env={KEY_VARIABLE: KEY, "TWILIO_REGION": "ie1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{' '.join([PROXY] * 4)} localhost,127.0.0.1,::1,example.com none\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_without_the_key(shell: str) -> None:
    """It says what is missing, instead of calling without a key."""
    done = subprocess.run(
        [shell, "-c", 'eval "$1"; echo reached', "sh", FORMATS["sh"](SETTINGS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "reached" not in done.stdout
    assert KEY_VARIABLE in done.stderr


def test_docker() -> None:
    """A name without a value is taken from the environment: the key is in no file and no argument."""
    lines = [line for line in FORMATS["docker"](SETTINGS).splitlines() if not line.startswith("#")]
    assert {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} <= set(lines)
    assert "NODE_EXTRA_CA_CERTS=/etc/twilio-gateway/root.pem" in lines


def test_compose() -> None:
    service = yaml.safe_load(FORMATS["compose"](SETTINGS))["services"]["billing"]
    environ = service["environment"]
    assert (
        environ["HTTPS_PROXY"].replace(f"${{{KEY_VARIABLE}:?set it to the key of the consumer}}", KEY)
        == PROXY
    )
    assert environ["SSL_CERT_FILE"] == "/etc/twilio-gateway/bundle.pem"
    assert service["volumes"] == ["./twilio-gateway:/etc/twilio-gateway:ro"]


def test_kubernetes() -> None:
    spec = yaml.safe_load(FORMATS["k8s"](SETTINGS))["spec"]
    (container,) = spec["containers"]
    first, *rest = container["env"]
    assert first["valueFrom"]["secretKeyRef"] == {"name": "twilio-gateway-key", "key": "billing"}
    values = {each["name"]: each["value"] for each in rest}
    assert values["HTTPS_PROXY"].replace(f"$({KEY_VARIABLE})", KEY) == PROXY
    assert container["volumeMounts"][0]["name"] == spec["volumes"][0]["name"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_it_needs(name: str) -> None:
    text = FORMATS[name](SETTINGS)
    assert "bundle.pem" in text
    assert "TWILIO_REGION" in text
    assert "AC" + "0" * 32 in text
