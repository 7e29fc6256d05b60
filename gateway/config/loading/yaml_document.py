"""A YAML file as plain values, with the line of every key path. Owns YAML; knows nothing of the schema.

Parsed by libyaml where PyYAML was built with it, which is ten times as fast. Stricter than PyYAML's safe
loader: a name given twice, a name that is not text, and a tag are errors. What PyYAML says of a broken file
is not passed on as it stands, because it quotes the file, and a secret may stand there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from gateway.config.problems import ConfigError, Finding, KeyPath, Problem, looks_like_a_secret

_MAX_NODES: Final = 500_000
_MAX_DEPTH: Final = 32
_TEXT: Final = "tag:yaml.org,2002:str"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """What the file says, as far as it can be read."""

    tree: Mapping[str, object]
    lines: Mapping[KeyPath, int]
    findings: tuple[Finding, ...]


def parse_document(content: bytes, source: str) -> Document:
    """Read one YAML mapping. Raises ConfigError if it is not YAML, or not a mapping."""
    loader = None
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        if node is None:
            return Document({}, {}, ())
        if not isinstance(node, yaml.MappingNode):
            hint = "begin with names, like `listen: 127.0.0.1:8080`"
            raise ConfigError([Problem(f"{source}:1", "the file is not a mapping", hint)])
        walk = _Walk(loader)
        tree = walk.mapping(node, ())
        _take_apart(node)
        return Document(tree, walk.lines, tuple(walk.findings))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([_not_yaml(error, source, content)]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _take_apart(node: yaml.Node) -> None:
    """Free the nodes one by one: all at once would keep other threads from running for as long."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, yaml.CollectionNode):
            inner, node.value = node.value, []
            for child in inner:
                left += child if isinstance(child, tuple) else (child,)


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TOKEN = re.compile(r"'(?:<[a-z ]+>|[^\w\s])'")
_NAMED = re.compile(r"[*&]([A-Za-z0-9_-]+)")
_TOO_DEEP: Final = ("not usable: it is nested too deeply", "remove a level")
_BROKEN: Final = "check the indentation, and put text with special characters in quotes"


def _not_yaml(error: yaml.YAMLError | RecursionError, source: str, content: bytes) -> Problem:
    said = str(getattr(error, "problem", None) or "unreadable")
    if isinstance(error, RecursionError) or "nesting depth" in said:
        return Problem(source, *_TOO_DEEP)
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # ReaderError: bytes that are not text
        message = "not YAML: it has a character that YAML does not admit"
        return Problem(source, message, "save the file as UTF-8 text")
    lines = content.decode("utf-8", "replace").splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    reason, hint = _explain(said, line, mark.column)
    return Problem(f"{source}:{mark.line + 1}", f"not YAML: {reason}", hint)


def _explain(said: str, line: str, column: int) -> tuple[str, str]:
    """What is wrong and what to do, of what PyYAML or libyaml said about a place in a line.

    What is quoted may be a secret: only marks, the parsers' names of tokens and anchors' names are repeated.
    """
    at = line[column : column + 1]
    indentation = line[: len(line) - len(line.lstrip())]
    if at == "\t" or "\t" in indentation:
        return "a tab cannot indent YAML", "use spaces"
    if at and at in "@`%":
        return f"a value cannot begin with {at}", "put it in quotes"
    if indentation.strip(" "):
        return "the line begins with spaces of another kind", "use plain spaces"
    if said in ("but found another document", "expected a single document in the stream"):
        return "a second document begins here", "keep one document, without `---` in its midst"
    if "alphabetic or numeric" in said and "*" in line[:column]:
        return "a value cannot begin with *", "put it in quotes"
    if "mapping values are not allowed" in said:
        return "there is a second `: ` in this line", "put text with special characters in quotes"
    named = _NAMED.match(line, column)
    name = named[1] if named and not looks_like_a_secret(named[1]) else "…"
    if "undefined alias" in said:
        return f"the alias *{name} has no anchor &{name}", "define the anchor above it, or put it in quotes"
    if said == "second occurrence":
        return f"the anchor &{name} is defined twice", "give it another name"
    reason = _QUOTED.sub(lambda quoted: quoted[0] if _TOKEN.fullmatch(quoted[0]) else "something", said)
    return reason, _BROKEN


class _Walk:
    """Turns nodes into values. Collects what it cannot turn, and goes on."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._nodes = 0
        self._flat: set[int] = set()
        self.lines: dict[KeyPath, int] = {}
        self.findings: list[Finding] = []

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        if id(node) not in self._flat:  # an anchor's mapping is walked once for each place it stands at
            self._flat.add(id(node))
            self._find_duplicates(node, path)
            self._loader.flatten_mapping(node)  # `<<: *anchor`; what stands here itself comes last, and wins
        tree: dict[str, object] = {}
        for key, value in node.value:
            name = self._name(key, path)
            if name is not None:
                place = (*path, name)
                self.lines[place] = key.start_mark.line + 1
                tree[name] = self._value(value, place)
        return tree

    def _find_duplicates(self, node: yaml.MappingNode, path: KeyPath) -> None:
        seen: set[str] = set()
        twice: dict[str, None] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    twice[key.value] = None
                seen.add(key.value)
        for name in twice:
            self.findings.append(Finding((*path, name), "given twice", "keep one of the two"))

    def _name(self, key: yaml.Node, path: KeyPath) -> str | None:
        if isinstance(key, yaml.ScalarNode) and key.tag == _TEXT and key.value.isprintable():
            return str(key.value)
        place = (*path, str(key.value) if isinstance(key, yaml.ScalarNode) else "?")
        self.lines[place] = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and (key.value[:1].isspace() or key.value[-1:].isspace()):
            self.findings.append(Finding(place, "has spaces of another kind around it", "use plain spaces"))
        else:
            hint = 'put the name in quotes: "no", "1"'
            self.findings.append(Finding(place, "a name that is not text", hint))
        return None

    def _value(self, node: yaml.Node, path: KeyPath) -> object:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH:  # also an anchor that holds itself
            raise RecursionError
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _item(self, node: yaml.Node, path: KeyPath) -> object:
        self.lines[path] = node.start_mark.line + 1
        return self._value(node, path)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        if node.tag == _TEXT:
            return node.value
        # PyYAML's loader has no annotations.
        implicit = self._loader.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
        if node.tag != implicit:
            hint = "remove the word that begins with '!', or use quotes"
            self.findings.append(Finding(path, "has a YAML tag", hint))
            return None
        try:
            return self._loader.construct_object(node)
        except ValueError:  # 2027-13-45 looks like a date, 0x_ like a number
            hint = "correct it, or put it in quotes"
            self.findings.append(Finding(path, "neither a number nor a date", hint))
            return None
