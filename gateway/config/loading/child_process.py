"""Reads a large configuration in a child process, so that the data loop keeps the interpreter to itself.

Parsing and validating thousands of consumers on a thread takes the interpreter's lock for most of a second,
and a loaded machine may take the processor from the thread while it holds it (docs/performance.md). The child
is a pure function: it is given the file's content and the environment by a pipe, never by argument or file,
and answers with settings in slices, in which references to secrets are not followed yet.
"""

import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from gateway import __version__
from gateway.background.breathing import breathe
from gateway.config.loading.includes import count_bytes
from gateway.config.loading.load import Loaded, check_content, read_content
from gateway.config.problems import ConfigError, KeyPath
from gateway.config.schema.consumer_settings import ConsumerSettings

LARGE_BYTES: Final = 256 * 1024
"""Files from this size on go to a child: about 200 consumers, which take a thread 60 ms."""
_SLICE: Final = 40
"""Consumers in a slice: making their settings again takes about 1 ms, in one piece."""
_LINES: Final = 4_000
_PASSED_ON: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "TZ")
"""What the child's interpreter may need to start; everything else of the environment travels by the pipe."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class _ChildFailed(Exception):
    """The child could not be started, or ended without an answer."""


def load_apart(path: Path, environ: Mapping[str, str]) -> Loaded:
    """As `load_settings`, but a large file is parsed and validated by another process. Blocks.

    Where no child can be had, this one does it. Raises ConfigError with every problem there is.
    """
    content = read_content(path)
    if sys.executable and count_bytes(content, path) >= LARGE_BYTES:
        try:
            return _ask_child(content, path, environ)
        except _ChildFailed:
            pass
    return check_content(content, path, environ)


def _ask_child(content: bytes, path: Path, environ: Mapping[str, str]) -> Loaded:
    child_environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    child_environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        child = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what goes wrong there is tried again here
            env=child_environ,
        )
    except OSError as error:
        raise _ChildFailed from error
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            pickle.dump((__version__, content, str(path), dict(environ)), child.stdin, 5)
            child.stdin.flush()  # and left open: when it closes, the child knows that its parent has gone
            return _receive(child.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise _ChildFailed from error
        finally:
            child.kill()
            with suppress(OSError):
                child.stdin.close()  # what it did not take is of no use any more


def _receive(answer: IO[bytes]) -> Loaded:
    """Put the slices together; between two of them, other threads can run."""
    loaded = _next(answer)
    if not isinstance(loaded, Loaded):
        raise ConfigError(loaded)
    consumers: dict[str, ConsumerSettings] = {}
    while slice_ := _next(answer):
        consumers |= slice_
    lines: dict[KeyPath, int] = {}
    while slice_ := _next(answer):
        lines |= slice_
    settings = loaded.settings.model_copy(update={"consumers": consumers})
    return replace(loaded, settings=settings, origins=replace(loaded.origins, lines=lines))


def _next(answer: IO[bytes]) -> Any:
    breathe()
    return pickle.load(answer)  # noqa: S301 - written by our own child


def _answer(loaded: Loaded) -> Iterator[object]:
    """The settings less their consumers, then these in slices, then the lines in slices."""
    origins = loaded.origins
    bare = loaded.settings.model_copy(update={"consumers": {}})
    yield replace(loaded, settings=bare, origins=replace(origins, lines={}))
    yield from _slices(loaded.settings.consumers, _SLICE)
    yield from _slices(origins.lines, _LINES)


def _slices(mapping: Mapping[Key, Value], size: int) -> Iterator[dict[Key, Value]]:
    """Ended by an empty one."""
    items = iter(mapping.items())
    while piece := dict(islice(items, size)):
        yield piece
    yield {}


def _serve(asked: IO[bytes], answered: IO[bytes]) -> None:
    """The child: one question, one answer."""
    version, content, path, environ = _next(asked)
    if version != __version__:
        return  # the package was replaced under the running gateway: its settings may have other fields
    threading.Thread(target=_end_with_parent, args=(asked,), daemon=True).start()
    try:
        pieces: Iterator[object] = _answer(check_content(content, Path(path), environ))
    except ConfigError as error:
        pieces = iter((error.problems,))
    for piece in pieces:
        pickle.dump(piece, answered, 5)
    answered.flush()


def _end_with_parent(asked: IO[bytes]) -> None:
    """Whatever this process waits for, such as a secret's FIFO: it ends when the pipe does."""
    asked.read(1)
    os._exit(1)


if __name__ == "__main__":
    gc.disable()  # it ends with its answer; collections would take most of its time (`paused_collection.py`)
    _serve(sys.stdin.buffer, sys.stdout.buffer)
