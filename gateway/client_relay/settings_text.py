"""The settings of a program in places where `gateway run` cannot be used, for a shell, Docker, Compose or
Kubernetes. Pure. The key is always a reference to a variable or a secret.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from gateway.client_relay.program_environment import BUNDLES, EXTRA_BUNDLE, PLACEHOLDER, ZERO_SID

KEY_VARIABLE: Final = "TWILIO_GATEWAY_KEY"
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_ABOUT: Final = """\
# {consumer} calls Twilio through {scheme}://{authority}. Its key is in {key}, and nowhere here.
# Through this proxy only Twilio is reached: name other HTTPS hosts in NO_PROXY (--no-proxy HOST,…).
# {folder} has two files: root.pem of `gateway ca init`, and the system's certificates with it:
#   cat /etc/ssl/certs/ca-certificates.crt root.pem > bundle.pem
# Java: -Djavax.net.ssl.trustStore in JAVA_TOOL_OPTIONS names a copy of its cacerts with root.pem in it, and
# the program's own login is the consumer's key, since Java sends none to a proxy (docs/clients/java.md).
# PHP: in a directory named by PHP_INI_SCAN_DIR, a .ini file with curl.cainfo={folder}/bundle.pem
# Do not set TWILIO_REGION and TWILIO_EDGE.
"""


class ProgramSettings(NamedTuple):
    """`scheme` and `authority` are the gateway's; `folder` is where the program finds the certificates."""

    consumer: str
    scheme: str
    authority: str
    folder: str
    exempt: tuple[str, ...]

    def about(self, key: str) -> str:
        """Comments; `key` says where the key is."""
        return _ABOUT.format(**self._asdict() | {"key": key})

    def variables(self, key: str) -> dict[str, str]:
        """By name; `key` is the reference to the key."""
        proxy = f"{self.scheme}://{self.consumer}:{key}@{self.authority}"
        host, _, port = self.authority.rpartition(":")
        exempt = ",".join(dict.fromkeys((*_LOCAL, *self.exempt)))
        java = f"-Dhttps.proxyHost={host.strip('[]')} -Dhttps.proxyPort={port}"
        return {
            **dict.fromkeys(_PROXIES, proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), exempt),
            **dict.fromkeys(BUNDLES, f"{self.folder}/bundle.pem"),
            EXTRA_BUNDLE: f"{self.folder}/root.pem",
            "JAVA_TOOL_OPTIONS": java,
            "TWILIO_ACCOUNT_SID": ZERO_SID,
            "TWILIO_AUTH_TOKEN": PLACEHOLDER,
        }


def to_sh(settings: ProgramSettings) -> str:
    """For `eval` or `.` in a shell."""
    found = settings.variables(f"${{{KEY_VARIABLE}:?set it to the key of the consumer}}")
    lines = (f'export {name}="{value}"\n' for name, value in found.items())
    return (
        settings.about(f"the variable {KEY_VARIABLE}") + "".join(lines) + "unset TWILIO_REGION TWILIO_EDGE\n"
    )


def to_docker(settings: ProgramSettings) -> str:
    """For `docker run --env-file`: what holds the key comes from the environment of that command."""
    found = settings.variables("")
    lines = (name if name in _PROXIES else f"{name}={value}" for name, value in found.items())
    about = settings.about(f"the variable {KEY_VARIABLE}")
    about += "# The proxies come from the environment of `docker run --env-file`: that of --format sh.\n"
    about += f"# Mount the certificates: --volume DIR:{settings.folder}:ro\n"
    return about + "\n".join(lines) + "\n"


def to_compose(settings: ProgramSettings) -> str:
    """A piece of a Compose file, to be merged into a service."""
    found = settings.variables(f"${{{KEY_VARIABLE}:?set it to the key of the consumer}}")
    return (
        settings.about(f"the variable {KEY_VARIABLE}")
        + f"services:\n  {settings.consumer}:\n    environment:\n"
        + _yaml(found, "      ")
        + f'    volumes: ["./twilio-gateway:{settings.folder}:ro"]\n'
    )


def to_kubernetes(settings: ProgramSettings) -> str:
    """A pod's patch: environment and certificates of its container."""
    found = settings.variables(f"$({KEY_VARIABLE})")
    about = settings.about("the Secret `twilio-gateway-key`")
    about += f"# kubectl create secret generic twilio-gateway-key --from-file={settings.consumer}=KEY_FILE\n"
    about += "# KEY_FILE holds the key without a line break: printf %s KEY > KEY_FILE\n"
    about += "# kubectl create configmap twilio-gateway-ca --from-file=root.pem --from-file=bundle.pem\n"
    pairs = "".join(f'        - {{name: {name}, value: "{value}"}}\n' for name, value in found.items())
    return (
        f"{about}spec:\n  containers:\n    - name: {settings.consumer}\n      env:\n"
        f"        - name: {KEY_VARIABLE}\n"
        f"          valueFrom: {{secretKeyRef: {{name: twilio-gateway-key, key: {settings.consumer}}}}}\n"
        f"{pairs}"
        f"      volumeMounts: [{{name: twilio-gateway-ca, mountPath: {settings.folder}, readOnly: true}}]\n"
        "  volumes: [{name: twilio-gateway-ca, configMap: {name: twilio-gateway-ca}}]\n"
    )


def _yaml(values: Mapping[str, str], indent: str) -> str:
    return "".join(f'{indent}{name}: "{value}"\n' for name, value in values.items())


FORMATS: Final[Mapping[str, Callable[[ProgramSettings], str]]] = {
    "sh": to_sh,
    "docker": to_docker,
    "compose": to_compose,
    "k8s": to_kubernetes,
}


def read_exempt(text: str) -> Iterable[str]:
    """The hosts of `--no-proxy`."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]
