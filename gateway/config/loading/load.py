"""Reads the configuration file and the overrides, and gives checked settings or all the problems at once.

The one door to `Settings`. Does not follow secrets' references (`resolve.py` does); if the file has problems
anyway, it adds the references that lead nowhere, so that one run tells everything.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from gateway.config.checking.contradictions import find_contradictions, find_missing_consumers
from gateway.config.checking.pydantic_errors import explain
from gateway.config.checking.rules import find_bad_rules
from gateway.config.checking.setting_warnings import find_warnings
from gateway.config.checking.sound_part import with_entries, without
from gateway.config.loading.composition import compose_consumers
from gateway.config.loading.config_hash import config_hash
from gateway.config.loading.environment import apply_overrides, read_texts
from gateway.config.loading.includes import include_files
from gateway.config.loading.yaml_document import parse_document
from gateway.config.problems import ConfigError, Finding, KeyPath, Origins, Problem
from gateway.config.schema.secret_values import LocalRef, SecretError, find, resolve
from gateway.config.schema.settings import Settings

_MAX_ROUNDS = 8
"""What is removed may leave something behind that is wrong without it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that are right in themselves, and where they came from."""

    settings: Settings
    source: Path
    warnings: tuple[Problem, ...]
    config_hash: str
    """See `config_hash.py`."""
    origins: Origins
    included: tuple[Path, ...] = ()
    """Files and globs that the configuration includes."""


def load_settings(
    path: Path, environ: Mapping[str, str], now: datetime | None = None, *, follow: bool = True
) -> Loaded:
    """Read and check the file at `path`, with the overrides of `environ` over it.

    `now` (with a time zone; by default the clock's) decides which keys are about to expire. Raises
    ConfigError with every problem there is; unless `follow`, references that lead nowhere are none.
    """
    return check_content(read_content(path), path, environ, now, follow=follow)


def check_content(
    content: bytes,
    path: Path,
    environ: Mapping[str, str],
    now: datetime | None = None,
    *,
    follow: bool = True,
) -> Loaded:
    """As `load_settings`, of a file that was read already."""
    document = include_files(parse_document(content, str(path)), path)
    overridden = apply_overrides(document.tree, environ)
    tree, moved = compose_consumers(overridden.tree)
    origins = Origins(str(path), document.lines, overridden.variables, document.sources, moved)
    settings, invalid = _validate(tree)
    contradictions = find_contradictions(read_texts(tree, overridden.variables))
    findings = [*document.findings, *overridden.findings, *contradictions]
    # Where a value could not be read, what stands in its place is not the author's.
    unread = {finding.path for finding in document.findings}
    findings += [finding for finding in invalid if finding.path not in unread]
    findings += find_missing_consumers(tree)
    if findings or settings is None:
        findings += find_bad_rules(tree)
        if follow:
            findings += _unread_references(tree, (), environ, path.parent)
        sound = _find_sound(tree, overridden.variables)
        partial = None if sound is None else _loaded(sound, path, now, "", origins)
        raise ConfigError(origins.problems(findings), partial)
    hashed = config_hash(b"\0".join((content, *document.contents)), environ)
    return replace(_loaded(settings, path, now, hashed, origins), included=document.watched)


def _loaded(settings: Settings, path: Path, now: datetime | None, hash_: str, origins: Origins) -> Loaded:
    warnings = find_warnings(settings, now or datetime.now(UTC))
    return Loaded(settings, path, tuple(origins.problems(warnings)), hash_, origins)


def _find_sound(tree: Mapping[str, object], variables: Collection[KeyPath]) -> Settings | None:
    """What is left of a configuration without all that is wrong with it; None if that is nothing."""
    for _ in range(_MAX_ROUNDS):
        settings, invalid = _validate(tree)
        contradictions = find_contradictions(read_texts(tree, variables))
        findings = [*invalid, *contradictions, *find_missing_consumers(tree)]
        if settings is not None and not findings:
            return settings
        tree = with_entries(without(tree, [finding.path for finding in findings]))
    return None


def read_content(path: Path) -> bytes:
    """The file's bytes. Raises ConfigError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        hint = "name a file by --config PATH, or run `gateway init` to write one"
        raise ConfigError([Problem(str(path), f"cannot be read ({reason})", hint)]) from None


def _validate(tree: Mapping[str, object]) -> tuple[Settings | None, list[Finding]]:
    # As keyword arguments, a name like `_env_file` in the file would be an order to pydantic-settings.
    source = InitSettingsSource(Settings, init_kwargs=dict(tree))
    try:
        return Settings(_build_sources=((source,), {})), []  # type: ignore[call-arg]  # the source has them
    except ValidationError as error:
        return None, explain(error, tree)


def _unread_references(
    value: object, path: KeyPath, environ: Mapping[str, str], base_dir: Path
) -> Iterator[Finding]:
    """References in the plain values that lead nowhere, as far as this machine knows: no store is asked for a
    file that is wrong anyway. Nothing else in a file is called env or file, but for `audit.file`."""
    if isinstance(value, dict) and path != ("audit",):
        try:
            named = {name: text for name, text in value.items() if name in LocalRef.model_fields}
            reference = LocalRef.model_validate(named)
            if path == ("ca", "key"):  # PEM, of many lines
                find(reference, environ, base_dir)
            else:
                resolve(reference, environ, base_dir)
        except ValidationError:
            pass  # not a reference, or a bad one, which the schema reports
        except SecretError as error:
            yield Finding(path, error.message, error.hint)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inside in inner:
        yield from _unread_references(inside, (*path, part), environ, base_dir)
