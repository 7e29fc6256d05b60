"""Splices in any JSON: it parses as before, and differs only where it should."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.json_links import conceal_tokens, is_link, rewrite_links
from tests.property.strategies import documents
from tests.support.judging import HOSTS

_BASE = "http://gw:8080"


def _origin(product: str, host: str) -> str:
    return f"{_BASE}/{product}"


_TOKENS = {"auth_token", "secondary_auth_token"}
_SPELLINGS = st.sampled_from(
    [
        {},
        {"ensure_ascii": False},
        {"indent": 2},
        {"separators": (",", ":")},
    ]
)


def _spell(document: object, spelling: dict[str, Any], *, escapes_slashes: bool) -> bytes:
    text = json.dumps(document, **spelling)
    return (text.replace("/", "\\/") if escapes_slashes else text).encode("utf-8", "surrogatepass")


def _load(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "surrogatepass"))


def _map(value: Any, path: tuple[str | None, ...], change: Any) -> Any:
    """The document with `change(path, text)` in place of each string."""
    if isinstance(value, dict):
        return {name: _map(inner, (*path, name), change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_map(inner, (*path, None), change) for inner in value]
    return change(path, value) if isinstance(value, str) else value


def _relink(path: tuple[str | None, ...], text: str) -> str:
    names = tuple(name if name is None else name.encode("utf-8", "surrogatepass") for name in path)
    twilio = "https://verify.twilio.com/"
    return (
        f"{_BASE}/verify/" + text.removeprefix(twilio) if is_link(names) and text.startswith(twilio) else text
    )


@settings(max_examples=400)
@given(documents, _SPELLINGS, st.booleans())
def test_only_link_fields_change(document: object, spelling: dict[str, Any], escapes_slashes: bool) -> None:
    body = _spell(document, spelling, escapes_slashes=escapes_slashes)
    rewritten = rewrite_links(body, HOSTS, _origin)
    assert _load(rewritten) == _map(document, (), _relink)
    assert rewritten == _spell(_map(document, (), _relink), spelling, escapes_slashes=escapes_slashes)


@settings(max_examples=400)
@given(documents, _SPELLINGS, st.booleans())
def test_only_tokens_change(document: object, spelling: dict[str, Any], escapes_slashes: bool) -> None:
    body = _spell(document, spelling, escapes_slashes=escapes_slashes)
    concealed = conceal_tokens(body, is_xml=False)
    expected = _map(document, (), lambda path, text: None if _TOKENS & set(path) else text)
    assert _load(concealed) == expected
    assert concealed == _spell(expected, spelling, escapes_slashes=escapes_slashes)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":,\\ aurl.twilio.com/', max_size=80).map(str.encode))
def test_what_is_no_json_comes_through(body: bytes) -> None:
    rewrite_links(body + b".twilio.com", HOSTS, _origin)
    conceal_tokens(body, is_xml=False)
    conceal_tokens(body, is_xml=True)
