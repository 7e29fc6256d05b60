"""Secrets: how the file refers to one, how it is read, and the value that does not show itself.

Another source on this machine is one more field of `LocalRef` and one more reader in `_READERS`; a store that
is asked over the network is one more field of `SecretRef`, and answers through `RemoteSecret`. Knows nothing
of what a secret is for.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NoReturn, TypeVar

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from gateway.config.problems import looks_like_a_secret
from gateway.config.schema.values import Section, TextPattern, refuse

_LOCAL_FORMS: Final = "{env: NAME} or {file: PATH}"
_ALL_FORMS: Final = "{env: NAME}, {file: PATH}, {vault: PATH#KEY}, {aws: NAME} or {gcp: NAME}"
_LARGEST_BYTES: Final = 65_536


class SecretError(Exception):
    """A reference leads nowhere: its message names the variable or file, never a value.

    `temporary`: its store is unavailable, so that the same reference may be good a while later.
    """

    def __init__(self, message: str, hint: str, *, temporary: bool = False) -> None:
        self.message = message
        self.hint = hint
        self.temporary = temporary
        super().__init__(f"{message}; {hint}")


class SecretEvent(StrEnum):
    """What happened when a secret store was asked again."""

    ROTATED = "rotated"
    """It holds another value."""
    KEPT = "kept"
    """It did not confirm the value: the last good one stays in use."""
    CONFIRMED = "confirmed"
    """It confirms the value again."""


class Secret:
    """A value that must not be seen: `str` and `repr` say where it came from. Equal to itself only."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str) -> None:
        self._value = value
        self.origin = origin
        """`env:TWILIO_API_SECRET`, `file:/run/secrets/twilio` or `vault:twilio/main#api_secret`."""

    def reveal(self) -> str:
        """The value itself. Every call of this is a place where a secret may escape."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.origin})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")


ReferenceName = Annotated[
    str,
    TextPattern(
        r"[A-Za-z_][A-Za-z0-9_]{0,254}", "not a variable's name", "write a name like TWILIO_API_SECRET"
    ),
]
ReferencePath = Annotated[
    str,
    TextPattern(
        r"[^\x00-\x1f\x7f]{1,4096}",
        "not a path",
        "write a path like /run/secrets/twilio, or one relative to this file",
    ),
]


_SEGMENT: Final = r"(?!\.{1,2}[/#])[A-Za-z0-9._~@+=:,-]{1,255}"
_KEY: Final = r"#[^\x00-\x1f\x7f#]{1,255}"
VaultPlace = Annotated[
    str,
    TextPattern(
        rf"{_SEGMENT}(?:/{_SEGMENT}){{0,31}}{_KEY}",
        "not the place of a secret in Vault",
        "write PATH#KEY, the path without mount and data/, such as twilio/main#api_secret",
    ),
]
AwsPlace = Annotated[
    str,
    TextPattern(
        rf"[A-Za-z0-9/_+=.@:!-]{{1,2048}}(?:{_KEY})?",
        "not the name of a secret in AWS",
        "write its name or ARN, and #KEY behind it for one value of a JSON secret: twilio/main#api_secret",
    ),
]
GcpPlace = Annotated[
    str,
    TextPattern(
        r"(?:projects/[a-z0-9.:-]{1,100}/secrets/)?[A-Za-z0-9_-]{1,255}(?:/versions/[A-Za-z0-9_-]{1,63})?"
        rf"(?:{_KEY})?",
        "not the name of a secret in Google Cloud",
        "write NAME, NAME/versions/3 or projects/PROJECT/secrets/NAME, and #KEY for one value of JSON",
    ),
]


def exactly_one(given: object, names: frozenset[str], besides: frozenset[str] = frozenset()) -> bool:
    """Whether `given` is a mapping that holds a text by one of `names`, and else only `besides`."""
    if not isinstance(given, Mapping) or not given.keys() <= names | besides:
        return False
    found = [given[name] for name in given.keys() & names]
    return len(found) == 1 and isinstance(found[0], str)


def in_words(names: Iterable[str]) -> str:
    """`env, file and vault`."""
    *most, last = names
    return f"{', '.join(most)} and {last}"


class LocalRef(Section):
    """Where a secret of this machine is found. A relative path starts at the configuration file's folder."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})
    forms: ClassVar[str] = _LOCAL_FORMS

    env: ReferenceName | None = Field(default=None, description="The environment variable that holds it.")
    file: ReferencePath | None = Field(
        default=None, description="The file that holds it, such as a Docker or Kubernetes secret."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_reference(cls, given: Any) -> Any:
        """Judged before the fields: their errors name unknown names, in `{s3cret}` the secret itself."""
        hint = f"write {cls.forms}"
        if isinstance(given, str):
            refuse("a secret must not stand in the file itself", hint)
        if not exactly_one(given, frozenset(cls.model_fields)):
            refuse(f"must hold one of {in_words(cls.model_fields)}, and nothing else", hint)
        if any(looks_like_a_secret(text) for text in given.values()):
            refuse("this looks like the secret itself, not like the name of its place", hint)
        return given

    @property
    def scheme(self) -> str:
        """`env`, `file`, `vault`, `aws` or `gcp`."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def name(self) -> str:
        """The variable's name, the file's path, or the place in the store, as written."""
        return str(getattr(self, self.scheme))

    @property
    def is_remote(self) -> bool:
        """Whether a store must be asked over the network."""
        return self.scheme not in _READERS

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


class SecretRef(LocalRef):
    """Where a secret is found: on this machine, or in a store that `secret_stores` describes."""

    forms: ClassVar[str] = _ALL_FORMS

    vault: VaultPlace | None = Field(default=None, description="Path and key in HashiCorp Vault: `PATH#KEY`.")
    aws: AwsPlace | None = Field(
        default=None, description="Name or ARN in AWS Secrets Manager; `#KEY` for one value of a JSON secret."
    )
    gcp: GcpPlace | None = Field(
        default=None, description="Name in Google Secret Manager; `#KEY` for one value of a JSON secret."
    )


RemoteSecret = Callable[[SecretRef], Secret]
"""Gives what a store answered. Raises SecretError if there is nothing usable."""


TEXT: Final = "<text>"
MAPPING: Final = "<mapping>"
"""Tags of the two forms a value may have, which pydantic puts into the locations of its errors."""


REFERENCE: Final = "<reference>"
"""Represents a reference that is written beside other names, in the locations of pydantic's errors."""


def form_of(given: object) -> str:
    """Which of the two forms a raw value has."""
    return TEXT if isinstance(given, str) else MAPPING


Plain = TypeVar("Plain")
OrReference = Annotated[
    Annotated[Plain, Tag(TEXT)] | Annotated[SecretRef, Tag(MAPPING)],
    Discriminator(form_of),
]
"""A value that may stand in the file, or be referred to like a secret."""


def path_of(reference: LocalRef, base_dir: Path) -> Path | None:
    """The file a reference reads, which a reload watches; none for a variable or a store."""
    return base_dir / reference.file if reference.file is not None else None


def resolve(reference: LocalRef, environ: Mapping[str, str], base_dir: Path) -> Secret:
    """Read a secret of this machine. Raises SecretError if it is not there, or `judge` refuses it."""
    return judge(find(reference, environ, base_dir), str(reference))


def find(reference: LocalRef, environ: Mapping[str, str], base_dir: Path) -> str:
    """What is there, in whatever form. Raises SecretError if that is nothing."""
    return _READERS[reference.scheme](reference.name, environ, base_dir)


_BARE: Final = "put the bare secret there"
_FOREIGN: Final[tuple[tuple[str, str, str], ...]] = (
    (r"\ufeff", "has a byte order mark", "save it as UTF-8 without one"),
    (r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064]", "has an invisible character", "type it by hand"),
    (r"[\u2018-\u201f\u00ab\u00bb\u2039\u203a]", "has a typographic quotation mark", _BARE),
    (r"[\x00-\x1f\x7f\u0080-\u009f]", "has a line break or control character", _BARE),
    (r"\s", "has a space", _BARE),
    (r"[^!-~]", "has a character that is not visible ASCII", _BARE),
    (r"^(['\"`]).*\1$", "is wrapped in quotation marks", "leave them out"),
)
"""Pattern, what is wrong and what to do, in the order in which they are looked for: what pasting leaves."""


def judge(value: str, origin: str) -> Secret:
    """The secret in `value`, less one line break at its end. Raises SecretError for one that is empty, is
    not visible ASCII (Twilio's secrets, tokens and URLs are), or is wrapped in quotation marks."""
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretError(f"{origin} is empty", "put the secret there")
    for pattern, message, hint in _FOREIGN:
        if re.search(pattern, value, re.DOTALL):
            raise SecretError(f"{origin} {message}", hint)
    return Secret(value, origin)


def _read_variable(name: str, environ: Mapping[str, str], base_dir: Path) -> str:
    if name not in environ:
        raise SecretError(f"the environment variable {name} is not set", f"set {name} and start again")
    return environ[name]


def _read_file(name: str, environ: Mapping[str, str], base_dir: Path) -> str:
    path = base_dir / name
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise SecretError(
                f"the file {path} is larger than {_LARGEST_BYTES} bytes", "give the file of the secret"
            )
        return content.decode()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SecretError(
            f"the file {path} cannot be read ({reason})", "mount it, or correct the path"
        ) from None
    except UnicodeDecodeError:
        # `from None`: the original error holds the bytes.
        raise SecretError(f"the file {path} is not UTF-8 text", "give the file of the secret") from None


_READERS: Final[Mapping[str, Callable[[str, Mapping[str, str], Path], str]]] = {
    "env": _read_variable,
    "file": _read_file,
}
