"""The file's `audit:`: where the audit trail is written, and the key of its chain."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field

from gateway.config.problems import Finding
from gateway.config.schema import values
from gateway.config.schema.secret_values import Secret, SecretRef
from gateway.config.schema.values import Section

_MIN_KEY: Final = 32


class Audit(Section):
    """The audit trail: logins, reloads, stops, key changes, refused management calls. Needs `file` or
    `stream`. While a line cannot be written, logins and reloads are refused."""

    file: values.Filled | None = Field(
        default=None,
        description="The file that lines are appended to, from the folder of the configuration. Rotate it by "
        "renaming.",
        json_schema_extra=values.RESTART,
    )
    stream: Literal["audit"] | None = Field(
        default=None,
        description='`audit` writes the lines to standard output, each with `"stream": "audit"`.',
        json_schema_extra=values.RESTART,
    )
    key: SecretRef = Field(
        description="The key of the chain, 32 characters or more, by reference; `gateway audit verify` needs "
        "it as well. Make one with `openssl rand -hex 32`.",
        json_schema_extra=values.RESTART,
    )


def find_weak_key(key: Secret | None) -> Iterator[Finding]:
    """A key that can be guessed lets the trail be forged."""
    if key is not None and len(key.reveal()) < _MIN_KEY:
        message = f"the value of {key.origin} has fewer than {_MIN_KEY} characters"
        yield Finding(("audit", "key"), message, "make one with: openssl rand -hex 32")
