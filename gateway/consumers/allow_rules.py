"""The language of `allow:`: `METHOD product path-template`, with `*` and `**`, or the name of a set.

`{Name}` and `*` stand for one segment, `**` for any number. Paths are compared segment by segment, case and
all, less the representation suffix (.json, .xml, …). A rule is *exact* if nothing in it is a glob.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.http.request_head import METHODS
from gateway.twilio.catalogue import SUFFIXES

_ACCOUNT: Final = "/2010-04-01/Accounts/{AccountSid}"
NAMED_SETS: dict[str, tuple[str, ...]] = {
    "messages:send": (f"POST api {_ACCOUNT}/Messages",),
    "messages:read": (
        f"GET api {_ACCOUNT}/Messages",
        f"GET api {_ACCOUNT}/Messages/{{Sid}}",
        f"GET api {_ACCOUNT}/Messages/{{MessageSid}}/Media",
        f"GET api {_ACCOUNT}/Messages/{{MessageSid}}/Media/{{Sid}}",
    ),
    "calls:create": (f"POST api {_ACCOUNT}/Calls",),
    "verify": ("* verify /**",),
    "lookups": ("* lookups /**",),
    "read-only": ("GET * /**",),
    "everything": ("* * /**",),
}

_METHODS: Final = METHODS - {"HEAD"}  # a rule for HEAD alone would never match: it takes GET's permission
_SPELT_OUT: Final = frozenset({"accounts", "authtokens", "keys", "signingkeys"})
_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-f]{32}")
_ONE: Final = "*"
_REST: Final = "**"


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. `name` is what the configuration says, `text` the rule itself, which is another for
    named sets; `method` and `product` may be '*'."""

    name: str
    text: str
    method: str
    product: str
    path_segments: tuple[str, ...]
    exact: bool
    accounts: frozenset[str] = frozenset()
    """The AccountSids that the path spells out: nothing of the request may name another account."""

    def spells_out(self, path_segments: tuple[str, ...]) -> bool:
        """Whether no placeholder stands for `Keys` and its like; `…/{AccountSid}/{List}` names none."""
        return not any(
            part == _ONE and segment.lower() in _SPELT_OUT
            for part, segment in zip(self.path_segments, path_segments, strict=True)
        )


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A consumer's rules, in the order written."""

    rules: tuple[Rule, ...]
    _by_call: Mapping[tuple[str, str], tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    """Those of `rules` that name a method and a product, or mean them by '*'. '' is every other product."""

    def __post_init__(self) -> None:
        products = {rule.product for rule in self.rules if rule.product != _ONE} | {""}
        by_call = {
            (method, product): tuple(
                rule
                for rule in self.rules
                if rule.method in (_ONE, method) and rule.product in (_ONE, product)
            )
            for method in _METHODS
            for product in products
        }
        object.__setattr__(self, "_by_call", by_call)

    def find(self, method: str, product: str, path_segments: tuple[str, ...]) -> Rule | None:
        """The first rule that covers the call, by its effective method (HEAD counts as GET)."""
        for rule in self._named(method, product):
            if _match_segments(rule.path_segments, path_segments):
                return rule
        return None

    def find_exact(self, method: str, product: str, path_segments: tuple[str, ...]) -> Rule | None:
        """The first rule without a glob that covers the call and spells out what is delegated with care."""
        for rule in self._named(method, product):
            if (
                rule.exact
                and _match_segments(rule.path_segments, path_segments)
                and rule.spells_out(path_segments)
            ):
                return rule
        return None

    def _named(self, method: str, product: str) -> tuple[Rule, ...]:
        rules = self._by_call.get((method, product))
        return self._by_call.get((method, ""), ()) if rules is None else rules


def split_path(path: str) -> tuple[str, ...]:
    """The segments of a canonical path, the last one without its representation suffix."""
    path_segments = path[1:].split("/")
    path_segments[-1] = strip_suffix(path_segments[-1])
    return tuple(path_segments)


def strip_suffix(segment: str) -> str:
    """'Messages.json' to 'Messages'; other dots stay."""
    if "." in segment and segment.endswith(SUFFIXES):
        return segment.rpartition(".")[0] or segment
    return segment


def parse_rules(texts: Iterable[str], products: frozenset[str]) -> RuleSet:
    """Compile `allow:`. Raises `ValueError` that names the rule and says what is wrong with it."""
    rules: list[Rule] = []
    for text in texts:
        rules.extend(_parse_rule(text, part, products) for part in NAMED_SETS.get(text, (text,)))
    return RuleSet(tuple(rules))


def _parse_rule(name: str, text: str, products: frozenset[str]) -> Rule:
    parts = text.split()
    if len(parts) != 3:
        raise ValueError(
            f"{text!r} is neither 'METHOD product /path' nor one of the sets {', '.join(NAMED_SETS)}"
        )
    method, product, path = parts
    if method != _ONE and method not in _METHODS:
        raise ValueError(f"{text!r}: the method is one of {', '.join(sorted(_METHODS))} or *; HEAD is GET's")
    if product != _ONE and product not in products:
        raise ValueError(
            f"{text!r}: {product!r} is no Twilio product (the first label of its host) and not *"
        )
    if not path.startswith("/"):
        raise ValueError(f"{text!r}: the path begins with /")
    path_segments = tuple(_parse_segment(text, segment) for segment in split_path(path))
    accounts = frozenset(filter(_ACCOUNT_SID.fullmatch, path_segments))
    return Rule(name, text, method, product, path_segments, _is_exact(method, product, path), accounts)


def _parse_segment(text: str, segment: str) -> str:
    if segment in (_ONE, _REST):
        return segment
    if segment.startswith("{") and segment.endswith("}"):
        return _ONE
    if any(character in segment for character in "*{}?"):
        raise ValueError(f"{text!r}: *, ** and {{Name}} stand for whole segments only, not {segment!r}")
    return segment


def _is_exact(method: str, product: str, path: str) -> bool:
    return _ONE not in (method, product) and "*" not in path


def _match_segments(pattern: tuple[str, ...], path_segments: tuple[str, ...]) -> bool:
    """Glob over segments; `**` takes as many as it must (tried from none upwards)."""
    if len(pattern) != len(path_segments) and _REST not in pattern:
        return False
    for index, part in enumerate(pattern):
        if part == _REST:
            rest = pattern[index + 1 :]
            if not rest:
                return True
            return any(
                _match_segments(rest, path_segments[at:]) for at in range(index, len(path_segments) + 1)
            )
        if index >= len(path_segments) or not (
            path_segments[index] if part == _ONE else part == path_segments[index]
        ):
            return False
    return len(pattern) == len(path_segments)
