"""The files a configuration is made of: whether their content changed, and which directories tell so.

Reads files, and follows symbolic links one by one: Kubernetes replaces a link, not the file.
Knows nothing of what the files mean.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

_MOST_LINKS: Final = 40  # as Linux has it: path_resolution(7)

Fingerprint = Mapping[Path, str]
"""File -> hexadecimal SHA-256 of its content; why it cannot be read, where it cannot. Not for showing."""


def take_fingerprint(files: Iterable[Path]) -> Fingerprint:
    """What the files hold at this moment."""
    return {file: _digest(file) for file in files}


def changed_files(before: Fingerprint, after: Fingerprint) -> list[Path]:
    """The files that are in both, but with another content."""
    return [file for file, digest in after.items() if before.get(file, digest) != digest]


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
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
        elif place.is_symlink() and links < _MOST_LINKS:
            links += 1
            yield done
            target = place.readlink()
            left = [*target.parts, *left]
            if target.is_absolute():
                done = Path(left.pop(0))
        elif left:
            done = place
    yield done
