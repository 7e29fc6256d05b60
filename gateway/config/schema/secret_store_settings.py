"""The file's `secret_stores:`: where `{vault:}`, `{aws:}` and `{gcp:}` lead.

Owns the names beneath it. How a store is asked is in `gateway/secret_stores/`; this file must not know.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from gateway.config.schema import values
from gateway.config.schema.addresses import UrlForm
from gateway.config.schema.secret_values import LocalRef
from gateway.config.schema.values import Section, TextPattern

SERVICE_ACCOUNT_JWT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_WEB: Final = ("https", "http")

_Address = Annotated[str, AfterValidator(UrlForm(_WEB, "https://vault.example.com:8200").check)]
_Endpoint = Annotated[str, AfterValidator(UrlForm(_WEB, "https://secrets.example.com").check)]
_MountPath = Annotated[
    str,
    TextPattern(
        r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]{1,64}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]{1,64}){0,7}",
        "not the path of a mount",
        "write it without slashes at its ends: secret",
    ),
]
_Project = Annotated[
    str,
    TextPattern(r"[a-z0-9][a-z0-9.:-]{0,99}", "not a project's ID or number", "write it like my-project-123"),
]
_AwsRegion = Annotated[
    str, TextPattern(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}", "not a region of AWS", "write it like eu-central-1")
]


class VaultKubernetes(Section):
    """How the gateway's pod logs in to Vault by its service account."""

    role: values.Filled = Field(description="The role in Vault that its service account is bound to.")
    mount: _MountPath = Field(default="kubernetes", description="Where the auth method is enabled.")
    jwt_file: values.Filled = Field(
        default=SERVICE_ACCOUNT_JWT,
        description="The service account's token, read again for each login.",
    )


class Vault(Section):
    """HashiCorp Vault, key/value engine version 2. Needs one of `token` and `kubernetes`."""

    address: _Address = Field(description="Its URL, `https://host:port`.")
    mount: _MountPath = Field(default="secret", description="Where the key/value engine is mounted.")
    namespace: values.Filled | None = Field(default=None, description="The namespace (Vault Enterprise).")
    ca_file: values.Filled | None = Field(
        default=None, description="Certificates to trust (PEM) instead of the system's."
    )
    token: LocalRef | None = Field(
        default=None,
        description="Its token, read again whenever Vault answers 403, as when an agent replaced it.",
    )
    kubernetes: VaultKubernetes | None = Field(
        default=None, description="Log in by Kubernetes auth; again before the login ends, or after a 403."
    )


class Aws(Section):
    """AWS Secrets Manager (extra `aws`). Credentials come from boto3's default chain: environment, profile,
    web identity."""

    region: _AwsRegion | None = Field(
        default=None,
        description="The region; by default `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's.",
    )
    endpoint_url: _Endpoint | None = Field(
        default=None, description="Another URL than the region's: a VPC endpoint, a test server."
    )


class Gcp(Section):
    """Google Secret Manager (extra `gcp`). Who we are, google-auth finds out, unless `credentials_file` says
    it."""

    project: _Project | None = Field(
        default=None,
        description="The project of references that name none; by default that of the gateway's identity.",
    )
    endpoint: _Endpoint = Field(
        default="https://secretmanager.googleapis.com", description="Where its REST API is reached."
    )
    credentials_file: values.Filled | None = Field(
        default=None,
        description="A service account's key file; by default Application Default Credentials.",
    )


class SecretStores(Section):
    """Stores that `{vault:}`, `{aws:}` and `{gcp:}` lead to. They are asked at the start, then regularly."""

    refresh_seconds: Annotated[float, Field(ge=1, le=86_400), values.NUMBER] = Field(
        default=300, description="How often all of them are asked again, give or take a tenth."
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=300), values.NUMBER] = Field(
        default=10, description="Longest wait for one secret, logging in included."
    )
    vault: Vault | None = Field(default=None, description="HashiCorp Vault, key/value engine version 2.")
    aws: Aws | None = Field(default=None, description="AWS Secrets Manager; `{}` if its defaults will do.")
    gcp: Gcp | None = Field(default=None, description="Google Secret Manager; `{}` if its defaults will do.")
