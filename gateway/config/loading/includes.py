"""Files that the configuration includes: found, read, and laid beside what the file itself has.

A glob stands for the files it matches at each reload, sorted by name, so that a team's file can come and go.
An included file has consumers, groups and credentials, and may not include others. Nothing is replaced: a
name that two files have is an error that names both places.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config.loading.yaml_document import Document, parse_document
from gateway.config.problems import ConfigError, Finding, KeyPath, Problem

SECTIONS: Final = ("consumers", "credentials", "groups")
_GLOB: Final = frozenset("*?[")
_INCLUDE: Final = "include"


@dataclass(frozen=True, slots=True)
class Included:
    """The file's values with those of the included files, and where each name is from.

    `watched` are the included files, and the globs, whose directories may get new ones.
    """

    tree: Mapping[str, object]
    lines: Mapping[KeyPath, int]
    sources: Mapping[KeyPath, str]
    findings: tuple[Finding, ...]
    watched: tuple[Path, ...] = ()
    contents: tuple[bytes, ...] = ()


def is_glob(path: Path) -> bool:
    """Whether a path stands for all files that match it."""
    return not _GLOB.isdisjoint(path.name)


def matches(glob: Path) -> list[Path]:
    """The files that a glob stands for, sorted. Kubernetes' hidden `..data` and editors' `.swp` are none."""
    try:
        return sorted(path for path in glob.parent.glob(glob.name) if not path.name.startswith("."))
    except OSError:
        return []


def include_files(document: Document, path: Path) -> Included:
    """Read what the file at `path` includes. Raises ConfigError for included files that are no YAML."""
    tree, lines = dict(document.tree), dict(document.lines)
    names = tree.get(_INCLUDE)
    if names is None or isinstance(names, str):
        names = [] if names is None else [names]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        return Included(tree, lines, {}, document.findings)  # the schema reports its form
    merge = _Merge(tree, lines, str(path), list(document.findings))
    problems: list[Problem] = []
    watched: dict[Path, None] = {}
    for index, name in enumerate(names):
        place: KeyPath = (_INCLUDE, index) if isinstance(tree[_INCLUDE], list) else (_INCLUDE,)
        pattern = path.parent / name
        watched[pattern] = None
        found = matches(pattern) if is_glob(pattern) else [pattern]
        for file in found:
            if file in watched and file != pattern:
                continue  # two globs match it
            watched[file] = None
            try:
                merge.add(file, place)
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    return Included(tree, lines, merge.sources, tuple(merge.findings), tuple(watched), tuple(merge.contents))


def count_bytes(content: bytes, path: Path) -> int:
    """How much there is to read: the file, and what it includes. A file that is no YAML counts alone."""
    if _INCLUDE.encode() not in content:
        return len(content)
    try:
        names = parse_document(content, str(path)).tree.get(_INCLUDE)
    except ConfigError:
        return len(content)
    patterns = [path.parent / name for name in _texts(names)]
    files = [file for each in patterns for file in (matches(each) if is_glob(each) else [each])]
    return len(content) + sum(_size(file) for file in files)


def _texts(names: object) -> Iterable[str]:
    given = names if isinstance(names, list) else [names]
    return [name for name in given if isinstance(name, str) and name]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


class _Merge:
    """Adds file after file to `tree` and `lines`."""

    def __init__(
        self, tree: dict[str, object], lines: dict[KeyPath, int], source: str, findings: list[Finding]
    ) -> None:
        self._tree = tree
        self._lines = lines
        self._source = source
        self.findings = findings
        self.sources: dict[KeyPath, str] = {}
        self.contents: list[bytes] = []
        for section in SECTIONS:
            if isinstance(tree.get(section), dict):
                tree[section] = dict(tree[section])  # type: ignore[call-overload]  # judged in the line above

    def add(self, file: Path, place: KeyPath) -> None:
        try:
            content = file.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            hint = "correct the path; it starts at the folder of this file"
            self.findings.append(Finding(place, f"the file {file} cannot be read ({reason})", hint))
            return
        self.contents += (file.name.encode(), content)
        document = parse_document(content, str(file))
        self.findings += document.findings
        added: dict[KeyPath, None] = {}
        for section, entries in document.tree.items():
            if section.startswith("x-"):
                continue
            if section not in SECTIONS:
                self._refuse_section(section, file, document)
            elif isinstance(entries, dict):
                self._add_section(section, entries, file, document, added)
            elif entries is not None:
                where = f"{file}:{document.lines[section,]}"
                message = f"{where}: must be a mapping of names"
                self.findings.append(
                    Finding((section,), message, f"write `{section}:`, and names beneath it")
                )
        for path, line in document.lines.items():
            if path[:2] in added:
                self._lines[path] = line

    def _refuse_section(self, section: str, file: Path, document: Document) -> None:
        path: KeyPath = (str(file), section)
        self.sources[path] = str(file)
        self._lines[path] = document.lines[section,]
        hint = f"an included file has {', '.join(SECTIONS)}; write the rest in {self._source}"
        self.findings.append(Finding(path, "cannot be in an included file", hint))

    def _add_section(
        self,
        section: str,
        entries: Mapping[str, object],
        file: Path,
        document: Document,
        added: dict[KeyPath, None],
    ) -> None:
        present = self._tree.setdefault(section, {})
        if not isinstance(present, dict):
            return  # the schema reports the form of the file's own section
        for name, value in entries.items():
            path: KeyPath = (section, name)
            if name in present:
                first = f"{self.sources.get(path, self._source)}:{self._lines.get(path, 1)}"
                second = f"{file}:{document.lines[path]}"
                message = f"given in two files, {first} and {second}"
                self.findings.append(Finding(path, message, "keep one of the two"))
                continue
            present[name] = value
            self.sources[path] = str(file)
            added[path] = None
