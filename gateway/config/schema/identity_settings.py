"""Ways to identify a consumer other than keys: client certificates, and JWTs of trusted issuers.

Owns the names of `jwt:`, and of `certificates` and `jwt` beneath a consumer. What concerns two of them at
once is in `identity_contradictions.py`; how a certificate or token is judged is policy's.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from gateway.config.schema import addresses, values
from gateway.config.schema.secret_values import exactly_one
from gateway.config.schema.values import Section, TextPattern

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""What a key pair signs (RFC 7518 3.1). Never `none`, nor HS256: its secret would be the public key."""

_SAN: Final = TextPattern(
    r"(?![^:]+:[0-9]+$)[a-z][a-z0-9+.-]*:[\x21-\x29\x2b-\x7e]+|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*",
    "neither a DNS name in lower case nor a URI",
    "write billing.internal or spiffe://example.org/billing; there are no wildcards",
)
_COMMON_NAME: Final = TextPattern(
    r"(?=.*\S)[^\x00-\x1f\x7f*]+",
    "empty, or has a control character or wildcard",
    "write the whole common name",
)
_CLAIM: Final = TextPattern(
    r"[^/\x00-\x1f\x7f]+(?:://[^\x00-\x1f\x7f]*)?|(?:/(?:[^~/\x00-\x1f\x7f]|~[01])+)+",
    "neither a claim's name nor a path to one",
    "write sub, or /kubernetes.io/namespace for what stands inside another claim (RFC 6901)",
)


class ConsumerCertificate(Section):
    """A name in a client certificate that stands for this consumer. Holds one of `san`, `cn`."""

    san: Annotated[str, _SAN] | None = Field(
        default=None, description="A DNS name or URI among its subject alternative names, exactly."
    )
    cn: Annotated[str, _COMMON_NAME] | None = Field(
        default=None, description="The subject's common name, exactly."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.keys() <= {"san", "cn"} and not exactly_one(given, _NAMES):
            values.refuse("must hold one of san and cn", "write {san: billing.internal} or {cn: billing}")
        return given

    @property
    def name(self) -> str:
        """As policy knows it: `dns:…`, `uri:…` or `cn:…`."""
        if self.san is None:
            return f"cn:{self.cn}"
        return f"uri:{self.san}" if ":" in self.san else f"dns:{self.san}"


_NAMES: Final = frozenset({"san", "cn"})


class ConsumerToken(Section):
    """What the claims of a JWT must be, all of them, for it to stand for this consumer."""

    issuer: values.Name = Field(description="The `name` of an issuer in `jwt`.")
    claims: Mapping[Annotated[str, _CLAIM], values.Filled] = Field(
        min_length=1,
        description="Claim and exact text: `sub`, or a path (RFC 6901) such as `/kubernetes.io/namespace`.",
        json_schema_extra={"additionalProperties": False},
    )


class IssuerSettings(Section):
    """An issuer whose JWTs are trusted. Needs `jwks_url` or `jwks_file`, and the `jwt` extra."""

    name: values.Name = Field(description="The name that consumers refer to.")
    issuer: values.Filled = Field(description="The `iss` of its tokens, exactly.")
    audience: values.Filled = Field(
        description="What the `aud` of a token must be or contain: the name of this gateway."
    )
    jwks_url: addresses.JwksUrl | None = Field(
        default=None, description="Where its public keys are fetched; `http` on this machine only."
    )
    jwks_file: values.Filled | None = Field(default=None, description="A file of its public keys (JWKS).")
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="The only signatures that are accepted."
    )
    leeway_seconds: Annotated[float, Field(ge=0, le=300), values.NUMBER] = Field(
        default=10, description="How far its clock may differ from the gateway's."
    )
    refresh_seconds: Annotated[float, Field(ge=10, le=86_400), values.NUMBER] = Field(
        default=300, description="How often its keys are fetched; also when a token names an unknown one."
    )
    ca_file: values.Filled | None = Field(
        default=None, description="Certificates to trust (PEM) at `jwks_url` instead of the system's."
    )
    token_file: values.Filled | None = Field(
        default=None,
        description="A file with a bearer token to fetch `jwks_url` with; read again for each fetch.",
    )
