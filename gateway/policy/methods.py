"""Methods for limited clients (docs/design.md 4.3): `?_method=` and X-HTTP-Method-Override in, native or POST
out.

Everything after this file sees the effective method. Whatever merely looks like an override is refused,
because a reader that honours it and one that does not would act differently.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from gateway.consumers.consumer import Consumer, Emit
from gateway.errors import Refusal
from gateway.http.parameter_names import looks_like_override
from gateway.http.request_head import OVERRIDE_FIELDS, Inbound
from gateway.policy.addressing import Address

_OVERRIDES: Final = frozenset({"PUT", "DELETE"})
_MAYBE: Final = re.compile(r"method|%|\+", re.IGNORECASE)


class Call(NamedTuple):
    """What is to be done: the effective method, where, and the query without `_method`."""

    method: str
    address: Address
    query: str
    has_body: bool

    def __repr__(self) -> str:  # path and query may hold phone numbers
        return f"Call({self.method} {self.address.product})"

    @property
    def path(self) -> str:
        """The path as it goes upstream."""
        return self.address.path


def translate_method(inbound: Inbound, address: Address, consumer: Consumer) -> Call:
    """Work out the effective method. Raises `Refusal("method_override")`."""
    by_query, query = _take_query_override(inbound.method, inbound.query)
    by_header = _read_header_override(inbound, consumer)
    if by_query and by_header and by_query != by_header:
        raise _refuse("the query and the header name different methods")
    return Call(by_query or by_header or inbound.method, address, query, inbound.has_body)


def emit_method(call: Call, emit: Emit) -> tuple[str, str]:
    """(method, query) as they go upstream. Raises `Refusal("emit_unsupported")`.

    The inverse of `translate_method` for `Emit.POST`.
    """
    if emit is Emit.NATIVE or call.method not in _OVERRIDES:
        return call.method, call.query
    if call.address.product != "api":
        raise Refusal(
            "emit_unsupported",
            "This consumer's PUT and DELETE are sent as POST, which only the api product understands.",
        )
    override = f"_method={call.method}"
    return "POST", f"{call.query}&{override}" if call.query else override


def _take_query_override(method: str, query: str) -> tuple[str, str]:
    """('' or PUT or DELETE, the query without `_method`)."""
    if not query or not _MAYBE.search(query):
        return "", query
    kept: list[str] = []
    found = ""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if not looks_like_override(unquote_plus(name)):
            kept.append(pair)
            continue
        if name != "_method":
            raise _refuse("the query parameter must be spelt exactly _method")
        if method != "POST":
            raise _refuse("_method goes with POST only")
        if found:
            raise _refuse("_method came twice")
        found = value.upper()
        if found not in _OVERRIDES:
            raise _refuse("_method is PUT or DELETE")
    return found, "&".join(kept) if found else query


def _read_header_override(inbound: Inbound, consumer: Consumer) -> str:
    """'' or PUT or DELETE. The fields themselves never go upstream."""
    named = {
        inbound.single(field).strip().upper() for field in OVERRIDE_FIELDS if field in inbound.single_fields
    }
    named.discard(inbound.method)  # says nothing new
    if not named:
        return ""
    if not consumer.legacy:
        raise _refuse("X-HTTP-Method-Override is honoured for consumers with `legacy: true` only")
    if inbound.method != "POST" or len(named) > 1 or not named <= _OVERRIDES:
        raise _refuse("X-HTTP-Method-Override goes with POST and is PUT or DELETE, once")
    return named.pop()


def _refuse(why: str) -> Refusal:
    return Refusal("method_override", f"The method override is refused: {why}.")
