"""What to write instead of a value that people often get wrong. Quotes nothing that could be a secret."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from gateway.config.problems import KeyPath
from gateway.consumers.allow_rules import NAMED_SETS

RULE_HINT: Final = "see 'allow' in docs/configuration.md"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_API_VERSION: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_SHORT: Final = 3  # a word of three letters resembles too many others
_MAX_PORT: Final = 65_535
_MAX_RATE: Final = 1_000_000
_WITH_UNIT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) *([a-zA-Z%]{1,8})")
_RATE_IN_WORDS: Final = re.compile(
    r"([1-9][0-9]{0,8}) *(?:/|per|a|an|rp|p|req/) *1?(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)"
)
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHELL_VARIABLE: Final = re.compile(r"\$(?:([A-Z_][A-Z0-9_]+)|\{([A-Z_][A-Z0-9_]+)\})")
_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?")
_SECONDS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("ms", "msec"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
}
_BYTES: Final[Mapping[str, float]] = {
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **dict.fromkeys(("k", "kb", "kib"), 1 << 10),
    **dict.fromkeys(("m", "mb", "mib"), 1 << 20),
    **dict.fromkeys(("g", "gb", "gib"), 1 << 30),
}


def text_hint(path: KeyPath, value: object) -> str:
    """For a number where a text belongs: `listen: 8080`, `rate: 20`. '' if quotes are all that is missing."""
    name = path[-1] if path else ""
    if not isinstance(value, int) or isinstance(value, bool):
        return ""
    if name == "listen" and 0 < value <= _MAX_PORT:
        return f"write 127.0.0.1:{value}"
    if name == "rate" and 0 < value <= _MAX_RATE:
        return f"write {value}/s"
    return ""


def form_hint(path: KeyPath, value: object) -> str:
    """For a text that has not the form it should have: `20/min`, `https://hooks.example.com`, `IE1`."""
    names = [part for part in path if isinstance(part, str)]
    name = names[-1] if names else ""
    if not isinstance(value, str):
        return ""
    if name == "rate" and (match := _RATE_IN_WORDS.fullmatch(value.strip().lower())):
        return f"write {match[1]}/{match[2][0]}"
    if name in ("callback_hosts", "extra_hosts", "hosts"):
        return _host_of(value)
    if name in ("region", "edge") and path[0] == "credentials" and _LABEL.fullmatch(value.strip().lower()):
        return f"write {value.strip().lower()}"
    return ""


def _host_of(value: str) -> str:
    """Of a URL or an authority, its host."""
    try:
        host = urlsplit(value if "://" in value else f"//{value}").hostname or ""
    except ValueError:
        return ""
    return f"write {host}" if host != value and _HOST.fullmatch(host) else ""


def number_hint(path: KeyPath, value: object) -> str:
    """For a number with a unit: `30s`, `10MB`, `20%`. '' if it is no such thing."""
    match = _WITH_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return ""
    name, unit = str(path[-1]), match[2].lower()
    factors = _SECONDS if name.endswith("seconds") else _BYTES if name.endswith("bytes") else {"%": 1.0}
    if unit not in factors:
        return ""
    number = float(match[1]) * factors[unit]
    return f"write {int(number) if number.is_integer() else number}"


def rule_hint(text: str, products: Iterable[str]) -> str:
    """For a rule of `allow` that does not parse."""
    parts = text.split()
    url = next((part for part in parts if "://" in part), None)
    if url is not None:
        return _from_url(parts[0].upper(), url, products)
    if any(".twilio.com/" in part for part in parts):  # a URL without its scheme
        bare = next(part for part in parts if ".twilio.com/" in part)
        return _from_url(parts[0].upper(), f"https://{bare}", products)
    if len(parts) == 1:
        return _one_word(parts[0], products)
    method, product = parts[0], parts[1]
    if len(parts) == 2 and product.startswith("/"):
        return _without_product(method.upper(), product, products)
    if method not in _METHODS and method.upper() in _METHODS:
        return f"write {method.upper()}"
    if product.endswith(".twilio.com"):
        return f"write {product.partition('.')[0]}"
    return (_close(product, products) if product not in products else "") or RULE_HINT


def _without_product(method: str, path: str, products: Iterable[str]) -> str:
    first, _, rest = path[1:].partition("/")
    if first in products:
        return f"write {method} {first} /{rest}"
    return f"write {method} api {path}" if _API_VERSION.fullmatch(first) else RULE_HINT


def sid_hint(path: KeyPath, value: object) -> str:
    """What to write for `$NAME` or `${NAME}`, which only a shell replaces by a value; else ''."""
    if path[0] != "credentials" or path[-1] not in ("account_sid", "sid") or not isinstance(value, str):
        return ""
    found = _SHELL_VARIABLE.fullmatch(value)
    return f"write {{env: {found[1] or found[2]}}}" if found else ""


def _one_word(word: str, products: Iterable[str]) -> str:
    """A set's name, or a product's, which needs a method and a path."""
    if word.lower() in ("*", "all", "any", "**"):
        return "did you mean everything?"
    names = [*NAMED_SETS, *(each for each in products if len(each) > _SHORT)]
    found = word.lower() if word.lower() in products else next(iter(_matches(word, names)), "")
    if not found:
        return RULE_HINT
    meant = "" if found == word else f"did you mean {found}? "
    return meant.rstrip() if found in NAMED_SETS else f"{meant}write GET {found} /**, or another method"


def _from_url(method: str, url: str, products: Iterable[str]) -> str:
    try:
        target = urlsplit(url)
        host = target.hostname or ""
    except ValueError:
        return RULE_HINT
    verb = method if method in _METHODS else "GET"
    product = host.partition(".")[0] if host.endswith(".twilio.com") else host
    return f"write {verb} {product} {target.path or '/'}" if product in products else RULE_HINT


def _close(word: str, known: Iterable[str]) -> str:
    found = _matches(word, known)
    return f"did you mean {found[0]}?" if found else ""


def _matches(word: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(word.lower(), list(known), n=1)
