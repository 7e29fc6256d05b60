"""What a configuration needs beside itself: optional packages, and values that only those can judge.

So that `gateway check` and a reload find what a start would find. Connects to nothing.
"""

import importlib.util
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gateway.app.options import Options
from gateway.config.compile_credentials import make_seal
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import KeyPath, Problem
from gateway.observe.traces.tracer import require_tracer
from gateway.redis.redis_url import require_connection

_NO_OTEL = ("needs the opentelemetry packages", "pip install 'twilio-gateway[otel]', or turn it off")
_NO_EXPORTER = (
    "OTEL_TRACES_EXPORTER or OTEL_EXPORTER_OTLP_PROTOCOL names an exporter that is not installed",
    "write otlp (over http/protobuf), console or none, or install the exporter's package",
)
_BAD_VARIABLE = (
    "an OTEL_* variable has a value that OpenTelemetry cannot use",
    "see the variables of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/",
)
_NO_DNS = ("needs the aiodns package", "pip install 'twilio-gateway[dns]'")
_NO_REDIS = ("needs the redis package", "pip install 'twilio-gateway[redis]', or write `store: memory`")
_NO_CRYPTOGRAPHY = (
    "needs the cryptography package",
    "pip install 'twilio-gateway[cryptography]', or leave `store_key` out",
)
_BAD_STORE = ("a part of the URL's path or query cannot be used", "write it like redis://127.0.0.1:6379/0")


def find_unmet(resolved: ResolvedSettings) -> list[Problem]:
    """Everything that is missing or unusable, with its place in the file."""
    problem = resolved.origins.problem
    return [
        problem(path, *texts)
        for path, texts in (*_tracing(resolved), *_dns(resolved), *_store(resolved), *_seal(resolved))
    ]


_Unmet = tuple[tuple[str, ...], tuple[str, str]]


def _tracing(resolved: ResolvedSettings) -> Iterator[_Unmet]:
    if not resolved.settings.tracing.enabled:
        return
    place = ("tracing", "enabled")
    try:
        require_tracer()
    except ImportError:
        yield place, _NO_OTEL
    except LookupError:
        yield place, _NO_EXPORTER
    except ValueError:
        yield place, _BAD_VARIABLE


def _dns(resolved: ResolvedSettings) -> Iterator[_Unmet]:
    if resolved.settings.upstream.nameservers and importlib.util.find_spec("aiodns") is None:
        yield ("upstream", "nameservers"), _NO_DNS


def _store(resolved: ResolvedSettings) -> Iterator[_Unmet]:
    if resolved.store is None:
        return
    try:
        require_connection(resolved.store.reveal())
    except ImportError:
        yield ("store",), _NO_REDIS
    except ValueError:
        yield ("store",), _BAD_STORE


def _seal(resolved: ResolvedSettings) -> Iterator[_Unmet]:
    if resolved.store_key is not None and make_seal(resolved.store_key) is None:
        yield ("store_key",), _NO_CRYPTOGRAPHY


def find_unwritable(resolved: ResolvedSettings, options: Options) -> tuple[list[Problem], list[Problem]]:
    """Files that could not be written if the gateway started here: those without which it does not, and
    those that it does without. Writes nothing."""
    audit = None if options.audit is None else options.audit.path
    needed = [*_unwritable(resolved, ("audit", "file"), audit, replaced=False)]
    others = [
        *_unwritable(resolved, ("stop_file",), options.stop_file),
        *_unwritable(resolved, ("key_usage_file",), options.key_usage_file),
    ]
    return [replace(problem, temporary=True) for problem in needed], others


def _unwritable(
    resolved: ResolvedSettings, place: KeyPath, file: Path | None, *, replaced: bool = True
) -> Iterator[Problem]:
    if file is None:
        return
    try:
        obstacle = _find_obstacle(file, replaced=replaced)
    except OSError as error:  # a name that is too long, links that lead in a circle
        obstacle = f"cannot be written ({error.strerror})", "write another path"
    if obstacle is not None:
        yield resolved.origins.problem(place, *obstacle)


def _find_obstacle(file: Path, *, replaced: bool) -> tuple[str, str] | None:
    """What is wrong with a file that is to be written, and what to do; `replaced`: as a whole, by a new one
    beside it."""
    target = file.with_name(f".{file.name}.new") if replaced else Path(os.path.realpath(file))
    folder = target.parent
    if not folder.is_dir():
        return f"cannot be written: there is no folder {folder}", "make it, or mount it"
    mode = _mode_of(file)
    if stat.S_ISDIR(mode):
        return "is a folder", "write the path of a file"
    if mode and not stat.S_ISREG(mode):
        return "is no ordinary file", "write the path of one, or of none yet"
    _mode_of(target)
    if not os.access(folder if replaced or not mode else target, os.W_OK):
        return "cannot be written by this user", "give it the right, or run the check as the gateway's user"
    return None


def _mode_of(file: Path) -> int:
    """0 where there is no file yet."""
    try:
        return file.stat().st_mode
    except FileNotFoundError:
        return 0
