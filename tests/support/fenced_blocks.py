"""The fenced blocks of a page: those that are run, written as a file or compared, and those that say why not.

The info string decides: "sh run" is run, "sh zoo" is run by `make zoo`, "python send.py" is a file,
"text output" is what the block before it prints (`…` stands for anything). Any other block follows a line
"*Not run by the tests: REASON.*".
"""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["run", "zoo", "file", "output", "prose"]
_FENCE = re.compile(r"^( *)```(\S*)(?: +(\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_REASON = re.compile(r"\*Not run by the tests: [^*]+\.\*\s*\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block. `name` is its file's; `line` is where the page has it; `excused` if it says why not."""

    kind: Kind
    language: str
    name: str
    text: str
    line: int
    excused: bool


def read_blocks(page: str) -> list[Block]:
    """In the page's order."""
    found = []
    for match in _FENCE.finditer(page):
        indent, language, word, text = match.groups()
        kind: Kind = "prose"
        if word == "run":
            kind = "run"
        elif word == "zoo":
            kind = "zoo"
        elif word == "output":
            kind = "output"
        elif word and "." in word:
            kind = "file"
        text = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        line = page.count("\n", 0, match.start()) + 1
        excused = bool(_REASON.search(page[: match.start()]))
        found.append(Block(kind, language, word or "", text, line, excused))
    return found


def is_printed(expected: str, output: str) -> bool:
    """Whether each line of a block is in the output, in its order; `…` stands for anything."""
    lines = [re.escape(line).replace("…", ".*") for line in expected.strip().splitlines()]
    return re.search(".*\n(?:.*\n)*?".join(lines), output) is not None
