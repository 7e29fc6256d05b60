"""What is wrong with a configuration, so that its author can correct it: where, what, and what to write
instead.

Owns `Problem`, `ConfigError` and the way from a key path to a file's line or an override's variable. Knows
nothing of the schema. No value of the configuration ever enters a problem, because any of them may be a
secret in the wrong place.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

KeyPath = tuple[str | int, ...]
"""`("consumers", "billing", "keys", 0)`, as written in the file; `()` is the whole file."""

Place = TypeVar("Place", int, str)


_SECRET: Final = re.compile(r"gw_[A-Za-z0-9_-]{20,}|gw[A-Za-z0-9]{43}|(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9]{24,}")


def looks_like_a_secret(text: str) -> bool:
    """Twilio's secrets and tokens are 32 letters and digits, our keys begin with `gw` (old ones `gw_`). Where
    a *name* belongs, such a text is one that slipped, and an error must not quote it."""
    return _SECRET.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a warning that knows only its key path; `Origins` adds the place."""

    path: KeyPath
    message: str
    hint: str = ""
    temporary: bool = False
    """It may mend itself without another configuration: a secret store that is unavailable."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One line for a person: `config/gateway.yaml:23: consumers.billing.alow: unknown name; did you mean
    'allow'?`."""

    where: str
    """`config/gateway.yaml:23`, or the override's variable, `GATEWAY__ADMIN__LISTEN`."""
    message: str
    hint: str = ""
    key: str = ""
    """`consumers.billing.alow`; empty if the file as a whole is meant."""
    temporary: bool = False
    """See `Finding.temporary`."""

    def __post_init__(self) -> None:
        # Names and paths come from outside: none of them may steer a terminal, or be unprintable.
        for name in ("where", "message", "hint", "key"):
            text = "".join(char if char.isprintable() else "?" for char in getattr(self, name))
            object.__setattr__(self, name, text)

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.where, self.key, self.message) if part)
        return f"{text}; {self.hint}" if self.hint else text


TEMPORARY_EXIT: Final = 75
"""Exit code for a configuration that may be usable a while later: EX_TEMPFAIL of sysexits(3)."""


class ConfigError(Exception):
    """The configuration cannot be used. `str()` is one line per problem, in the file's order.

    `partial` is what was read of it, if that is enough to look for further problems.
    """

    def __init__(self, problems: Iterable[Problem], partial: object = None) -> None:
        self.partial = partial
        self.problems = tuple(dict.fromkeys(problems))
        self.temporary = all(problem.temporary for problem in self.problems)
        """Whether the same configuration may be usable a while later."""
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Origins:
    """Where each key path was given."""

    source: str
    """The file's name as the person gave it."""
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    """Key path -> line, from 1, of every name and list item in the file."""
    variables: Mapping[KeyPath, str] = field(default_factory=dict)
    """Key path -> the environment variable that set it, for overrides and the sections they had to create."""
    sources: Mapping[KeyPath, str] = field(default_factory=dict)
    """Key path -> the included file that has it."""
    moved: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    """Key path of a consumer -> the path in a group or in `defaults` at which the value was written."""

    def problem(self, path: KeyPath, message: str, hint: str = "", *, temporary: bool = False) -> Problem:
        """A problem at `path`; of a path that was not given, the place is that of the closest thing around
        it."""
        path = self._written(path)
        shown = ".".join("(hidden)" if looks_like_a_secret(str(part)) else str(part) for part in path)
        where = self._where(path)
        return Problem(where, message, hint, "" if shown == where else shown, temporary)

    def problems(self, findings: Iterable[Finding]) -> list[Problem]:
        """In the file's order, what the whole file or an override did wrong first; each once."""
        ordered = sorted(dict.fromkeys(findings), key=lambda finding: self._order(finding.path))
        found = (
            self.problem(finding.path, finding.message, finding.hint, temporary=finding.temporary)
            for finding in ordered
        )
        return list(dict.fromkeys(found))  # a group's problem is that of each of its consumers

    def _where(self, path: KeyPath) -> str:
        # An override replaces all that the file has beneath its path, so it is asked first.
        if variable := _closest(self.variables, path):
            return variable
        line = _closest(self.lines, path)
        source = _closest(self.sources, path) or self.source
        return f"{source}:{line}" if line else source

    def _order(self, path: KeyPath) -> tuple[str, int]:
        if _closest(self.variables, path):
            return "", 0
        path = self._written(path)
        return _closest(self.sources, path) or "", _closest(self.lines, path) or 0

    def _written(self, path: KeyPath) -> KeyPath:
        """Where the value at `path` was written."""
        if not self.moved:
            return path
        for length in range(len(path), 0, -1):
            if (origin := self.moved.get(path[:length])) is not None:
                return (*origin, *path[length:])
        return path


def _closest(places: Mapping[KeyPath, Place], path: KeyPath) -> Place | None:
    """What is known of `path`, or of the closest thing around it."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((places[place] for place in around if place in places), None)
