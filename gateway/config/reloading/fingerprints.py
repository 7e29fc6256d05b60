"""The files of a configuration: whether their content changed, and which directories to watch for that.

Reads files, and follows symbolic links one by one: Kubernetes replaces a link, not the file.
Knows nothing of what the files mean.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.config.loading.includes import is_glob, matches

_MAX_LINKS: Final = 40  # the limit of Linux: path_resolution(7)

Fingerprint = Mapping[Path, str]
"""File -> hexadecimal SHA-256 of its content, or why it cannot be read. Not to be shown."""


def take_fingerprint(files: Iterable[Path]) -> Fingerprint:
    """What the files hold at this moment."""
    return {file: _digest(file) for file in files}


def changed_files(before: Fingerprint, after: Fingerprint) -> list[Path]:
    """The files that are in both, but with another content."""
    return [file for file, digest in after.items() if before.get(file, digest) != digest]


def _digest(file: Path) -> str:
    if is_glob(file):  # the files themselves are compared one by one
        return "\n".join(path.name for path in matches(file))
    try:
        # Non-blocking, because a FIFO would wait for a writer. Only a regular file can be compared.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as content:
            if not stat.S_ISREG(os.fstat(content.fileno()).st_mode):
                return "not a regular file"
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        return error.strerror or type(error).__name__


def find_directories(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Every existing directory in which something may be replaced that a file's path leads through, with its
    device and inode: the file's own, and those of all links on the way to it."""
    found: dict[Path, tuple[int, int]] = {}
    for file in files:
        for directory in _directories_of(file):
            try:
                status = directory.stat()
            except OSError:
                continue
            found[directory] = (status.st_dev, status.st_ino)
    return found


def _directories_of(file: Path) -> Iterator[Path]:
    path = file.absolute()
    links = 0
    done = Path(path.anchor)
    left = list(path.parts[1:])
    while left:
        name = left.pop(0)
        place = done / name
        if name == "..":
            done = done.parent
        elif place.is_symlink() and links < _MAX_LINKS:
            links += 1
            yield done
            target = place.readlink()
            left = [*target.parts, *left]
            if target.is_absolute():
                done = Path(left.pop(0))
        elif left:
            done = place
    yield done
