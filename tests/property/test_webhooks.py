"""Webhooks by hypothesis: what the real SDK signs passes, what is changed does not; and splicing."""

from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from gateway.webhooks.inward_request import build_inward_request
from gateway.webhooks.signature import read_pairs
from gateway.webhooks.twiml_links import rewrite_twiml
from gateway.webhooks.webhook_routes import split_target
from tests.support.webhook_rules import judge, make_event, make_route, make_rules
from tests.support.webhooks import AUTH_TOKEN, PUBLIC_URL

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_. é", min_size=1, max_size=20)
PAIRS = st.lists(st.tuples(NAMES, TEXT), max_size=12)
QUERIES = st.lists(st.tuples(NAMES, TEXT), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
)
RULES = make_rules(make_route("/hook/**", "http://orders:8000/in/**"))
ROUTE = RULES.routes[0]


def _signature(url: str, pairs: list[tuple[str, str]], token: str = AUTH_TOKEN) -> str:
    signature: str = RequestValidator(token).compute_signature(url, MultiDict(pairs))
    return signature


@given(PAIRS, QUERIES)
@settings(max_examples=200)
def test_what_the_sdk_signs_passes_and_is_signed_anew(pairs: list[tuple[str, str]], query: str) -> None:
    target = f"/hook/a?{query}" if query else "/hook/a"
    pairs = [pair for pair in pairs if pair[0] != "AccountSid"]
    event = make_event(target, _signature(PUBLIC_URL + target, pairs), pairs)
    found = judge(event, RULES)
    assert found.reason == ""
    inward = build_inward_request(ROUTE, event, found, "id")
    service = RequestValidator("secret-of-the-service")
    assert service.validate(inward.url, MultiDict(pairs), inward.fields["X-Twilio-Signature"])
    assert inward.body == event.body


def _joined(pairs: list[tuple[str, str]], encoding: str) -> str:
    ordered = sorted(set(pairs), key=lambda pair: (pair[0].encode(encoding), pair[1].encode(encoding)))
    return "".join(name + value for name, value in ordered)


@given(PAIRS, PAIRS)
@settings(max_examples=200)
def test_what_is_changed_does_not(pairs: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    """But for what is signed alike, by Twilio's rules: order, repeats, and where names end."""
    event = make_event("/hook/a", _signature(f"{PUBLIC_URL}/hook/a", pairs), other)
    alike = {_joined(other, encoding) for encoding in ("utf-8", "utf-16-be")}
    assert (judge(event, RULES).reason == "") is (_joined(pairs, "utf-8") in alike)


@given(st.binary(max_size=200), st.binary(max_size=60), st.sampled_from(["", "POST", "GET"]))
@settings(max_examples=200)
def test_any_bytes_are_judged(body: bytes, signature: bytes, method: str) -> None:
    event = make_event("/hook/a", "x", body=body, method=method or "POST")
    fields = ((b"x-twilio-signature", b"X-Twilio-Signature", signature), *event.fields[1:])
    assert judge(event._replace(fields=fields), RULES).reason != ""


@given(st.text(max_size=60))
def test_any_target_is_split_or_none(target: str) -> None:
    parts = split_target(target)
    if parts is not None:
        assert parts[0].startswith(b"/")
        assert read_pairs(parts[1]) is not None
        RULES.match(parts[0])


PIECES = [
    "<", ">", "Redirect", "/", " action=", '"', "'", "http://orders:8000/in/x", "<!--", "-->",
    "<![CDATA[", "]]>",
    "&amp;", "&", "ü", "text", " ", "\n", "Play>", "?>", "<?", "https://example.com/z",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30))
@settings(max_examples=300)
def test_splicing_changes_urls_only_and_once(pieces: list[str]) -> None:
    body = "".join(pieces).encode()
    inward, public = "http://orders:8000/in/start", f"{PUBLIC_URL}/hook/start"
    once = rewrite_twiml(body, RULES, ROUTE, inward, public)
    assert rewrite_twiml(once.body, RULES, ROUTE, inward, public).body == once.body
    if not once.replaced:
        assert once.body == body
    assert once.body.count(PUBLIC_URL.encode()) == once.replaced
