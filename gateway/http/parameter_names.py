"""The ways in which readers more lenient than Twilio could take a parameter's name.

Rules look a name up as it is written. Only a name that is not found is read leniently, so that no other
spelling of a ruled name passes: another case, brackets, separators, or letters that Unicode folds into
others.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote_plus

_BRACKETED: Final = re.compile(r"\[([^\[\]]*)")
_SEPARATORS: Final = re.compile(r"[\s.\-]")
_CONTROLS: Final = dict.fromkeys([*range(0x20), 0x7F])
MAX_NAME_CHARACTERS: Final = 200
"""Twilio's longest name has 60. Reading a name in every way takes time in proportion to its length."""
_NOT_PLAIN: Final = re.compile(r"[^ -~]|[%\\]|=\?|&#")
_PART_ENDS: Final = re.compile(r"[./:;|,*&?=#]")
_ENDS_BUT_DOTS: Final = re.compile(r"[/:;|,*&?=#]")  # PHP reads a dot as "_"


def is_ambiguous(name: str) -> bool:
    """Whether a form's decoded name is one that two readers would read differently.

    Controls, letters beyond ASCII, what is left of a broken or doubled escape (of URLs, of programming
    languages or of HTML), and RFC 2047 words. None of Twilio's names has any of these, or is as long as
    `MAX_NAME_CHARACTERS`.
    """
    return len(name) > MAX_NAME_CHARACTERS or _NOT_PLAIN.search(name) is not None


def normal_name(name: str) -> str:
    """'From', 'from_', 'FROM' and a full-width 'from' are one name: letters and digits alone, folded."""
    if name.isascii() and name.isalnum():
        return name.lower()
    return "".join(filter(str.isalnum, _fold(name)))


def read_name(name: str) -> frozenset[str]:
    """Every normal name that a lenient reader could take `name` for.

    A path (`a.b`, `a/b`, `a[b]`, `[a]`) gives each of its parts, the parts joined, and what stands before a
    bracket.
    """
    outside = name.partition("[")[0]
    parts = [*_PART_ENDS.split(outside), outside, *_BRACKETED.findall(name), name]
    return frozenset(filter(None, map(normal_name, parts)))


def looks_like_override(name: str) -> bool:
    """Whether a decoded parameter name is `_method` to some reader."""
    if name.isascii() and name.isalnum():
        return False
    decoded = unquote_plus(name)
    folded = decoded.lower().translate(_CONTROLS) if decoded.isascii() else _fold(decoded)
    if "method" not in folded:
        return False
    outside = folded.partition("[")[0]
    parts = (outside, *_ENDS_BUT_DOTS.split(outside), *_BRACKETED.findall(folded))
    return any(_is_override(_SEPARATORS.sub("_", part.strip())) for part in parts)


def _is_override(part: str) -> bool:
    return part.startswith("_") and part.strip("_") == "method"


def _fold(name: str) -> str:
    """Without differences of case, of compatibility forms (NFKC) and of characters that do not show."""
    folded = unicodedata.normalize("NFKC", name).upper().casefold()
    return "".join(each for each in folded if unicodedata.category(each) not in ("Cc", "Cf", "Mn"))
