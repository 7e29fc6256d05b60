"""URLs in TwiML: what leads to a route is replaced, and not a byte more."""

import pytest
from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from gateway.webhooks.twiml_links import is_unreachable, move_url, rewrite_twiml
from gateway.webhooks.twiml_text import is_twiml
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules
from tests.support.webhook_rules import make_route, make_rules
from tests.support.webhooks import PUBLIC_URL

ORDERS = "http://orders.internal:8000"
VOICE = make_route("/voice/orders/**", f"{ORDERS}/twilio/**")
SMS = make_route("/sms/orders", f"{ORDERS}/in/sms")
RULES = make_rules(VOICE, SMS)
INWARD = f"{ORDERS}/twilio/start?x=1"
PUBLIC = f"{PUBLIC_URL}/voice/orders/start?x=1"

ROWS = {
    "absolute": (f"{ORDERS}/twilio/next", f"{PUBLIC_URL}/voice/orders/next"),
    "with a query": (f"{ORDERS}/twilio/next?a=1&b=%2B+", f"{PUBLIC_URL}/voice/orders/next?a=1&b=%2B+"),
    "of another route": (f"{ORDERS}/in/sms", f"{PUBLIC_URL}/sms/orders"),
    "of another route, with a query": (f"{ORDERS}/in/sms?a=1", f"{PUBLIC_URL}/sms/orders?a=1"),
    "host in capitals": ("http://Orders.Internal:8000/twilio/a", f"{PUBLIC_URL}/voice/orders/a"),
    "from the root": ("/twilio/next", f"{PUBLIC_URL}/voice/orders/next"),
    "from the root, of another route": ("/in/sms?a=1", f"{PUBLIC_URL}/sms/orders?a=1"),
    "relative, the same for Twilio": ("next", None),
    "a query alone": ("?step=2", None),
    "up and out of the prefix": ("../in/sms", f"{PUBLIC_URL}/sms/orders"),
    "elsewhere": ("https://example.org/play.mp3", None),
    "already public": (f"{PUBLIC_URL}/voice/orders/next", None),
    "beside the prefix": (f"{ORDERS}/twiliox", None),
    "out by dots": (f"{ORDERS}/twilio/../admin", None),
    "another port": ("http://orders.internal:9000/twilio/next", None),
    "another scheme": ("https://orders.internal:8000/twilio/next", None),
    "no URL": ("tel:+1415", None),
    "empty": ("", None),
    "a fragment": ("#x", None),
    "broken": ("http://[", None),
    "letters beyond ASCII": (f"{ORDERS}/twilio/für?x=ü", f"{PUBLIC_URL}/voice/orders/für?x=ü"),
    "a space": (f"{ORDERS}/twilio/a b", f"{PUBLIC_URL}/voice/orders/a b"),
    "without its scheme": ("//orders.internal:8000/twilio/a", f"{PUBLIC_URL}/voice/orders/a"),
}


@pytest.mark.parametrize(("url", "moved"), ROWS.values(), ids=ROWS)
def test_moving(url: str, moved: str | None) -> None:
    assert move_url(url, RULES, VOICE, INWARD, PUBLIC)[0] == moved


def test_a_url_without_its_scheme_is_of_its_own_host() -> None:
    assert move_url("//cdn.example.org/a.mp3", RULES, VOICE, INWARD, PUBLIC) == (None, "")
    assert move_url("//media.internal/a.mp3", RULES, VOICE, INWARD, PUBLIC) == (None, "media.internal")
    assert move_url("/elsewhere", RULES, VOICE, INWARD, PUBLIC) == (None, "orders.internal")


def test_the_route_that_was_called_comes_first() -> None:
    other = make_route("/legacy/**", f"{ORDERS}/twilio/**")
    rules = make_rules(other, VOICE)
    assert move_url(f"{ORDERS}/twilio/a", rules, VOICE, INWARD, PUBLIC)[0] == f"{PUBLIC_URL}/voice/orders/a"
    assert move_url(f"{ORDERS}/twilio/a", rules, other, INWARD, PUBLIC)[0] == f"{PUBLIC_URL}/legacy/a"


def test_default_ports_are_the_same() -> None:
    route = make_route("/hook", "http://orders.internal/in")
    found = move_url(
        "http://orders.internal:80/in", make_rules(route), route, "http://orders.internal/in", PUBLIC
    )
    assert found == (f"{PUBLIC_URL}/hook", "")


def _rewrite(text: str, rules: WebhookRules = RULES, route: WebhookRoute = VOICE) -> str:
    return rewrite_twiml(text.encode(), rules, route, INWARD, PUBLIC).body.decode()


def test_what_the_sdk_writes() -> None:
    response = VoiceResponse()
    gather = Gather(action=f"{ORDERS}/twilio/menu?lang=de&x=1", partial_result_callback="/twilio/partial")
    gather.say("Visit http://orders.internal:8000/twilio/next")
    response.append(gather)
    response.redirect(f"{ORDERS}/twilio/again", method="POST")
    response.play("https://example.org/a.mp3")
    response.record(action="/twilio/recorded", recording_status_callback=f"{ORDERS}/in/sms")
    dial = Dial(action="dialled")
    dial.number("+14155551212", status_callback=f"{ORDERS}/twilio/status", url=f"{ORDERS}/twilio/whisper")
    response.append(dial)
    before = str(response)
    after = _rewrite(before)
    base = f"{PUBLIC_URL}/voice/orders"
    expected = (
        before.replace(f'"{ORDERS}/twilio/menu', f'"{base}/menu')
        .replace('"/twilio/partial"', f'"{base}/partial"')
        .replace(f">{ORDERS}/twilio/again<", f">{base}/again<")
        .replace('"/twilio/recorded"', f'"{base}/recorded"')
        .replace(f'"{ORDERS}/in/sms"', f'"{PUBLIC_URL}/sms/orders"')
        .replace(f'"{ORDERS}/twilio/status"', f'"{base}/status"')
        .replace(f'"{ORDERS}/twilio/whisper"', f'"{base}/whisper"')
    )
    assert after == expected
    assert "Visit http://orders.internal:8000/twilio/next" in after  # what people read stays


def test_messages() -> None:
    response = MessagingResponse()
    sent = response.message("see http://orders.internal:8000/twilio/x", action=f"{ORDERS}/twilio/sent")
    sent.media(f"{ORDERS}/twilio/picture.png")
    after = _rewrite(str(response))
    assert f'action="{PUBLIC_URL}/voice/orders/sent"' in after
    assert f"<Media>{PUBLIC_URL}/voice/orders/picture.png</Media>" in after
    assert "see http://orders.internal:8000/twilio/x" in after


PIECES = {
    "entities": (
        f'<Gather action="{ORDERS}/twilio/a?x=1&amp;y=&lt;2&gt;"/>',
        f'<Gather action="{PUBLIC_URL}/voice/orders/a?x=1&amp;y=&lt;2&gt;"/>',
    ),
    "single quotes, spaces": (
        f"<Record  action = '{ORDERS}/twilio/a'\n/>",
        f"<Record  action = '{PUBLIC_URL}/voice/orders/a'\n/>",
    ),
    "CDATA": (
        f"<Redirect><![CDATA[{ORDERS}/twilio/a?x=1&y=2]]></Redirect>",
        f"<Redirect><![CDATA[{PUBLIC_URL}/voice/orders/a?x=1&y=2]]></Redirect>",
    ),
    "white space around": (
        f"<Redirect method='GET'>\n  {ORDERS}/twilio/a\n</Redirect>",
        f"<Redirect method='GET'>\n  {PUBLIC_URL}/voice/orders/a\n</Redirect>",
    ),
    "comments": (f"<!-- <Redirect>{ORDERS}/twilio/a</Redirect> -->", None),
    "a greater sign in a value": (
        f'<Say x="a>b"/><Play>{ORDERS}/twilio/a</Play>',
        f'<Say x="a>b"/><Play>{PUBLIC_URL}/voice/orders/a</Play>',
    ),
    "no URL attribute": (f'<Parameter name="u" value="{ORDERS}/twilio/a"/>', None),
    "not well-formed": (f"<Redirect>{ORDERS}/twilio/a", f"<Redirect>{PUBLIC_URL}/voice/orders/a"),
    "a prefix": (
        f"<tw:Redirect>{ORDERS}/twilio/a</tw:Redirect>",
        f"<tw:Redirect>{PUBLIC_URL}/voice/orders/a</tw:Redirect>",
    ),
    "text behind": (f"<Redirect/>{ORDERS}/twilio/a", None),
    "latin-1": ("<Say>\u00fc</Say>", None),
}


@pytest.mark.parametrize(("text", "after"), PIECES.values(), ids=PIECES)
def test_splicing(text: str, after: str | None) -> None:
    assert _rewrite(text) == (text if after is None else after)


def test_bytes_that_are_no_utf8_stay() -> None:
    body = (
        b'<Response><Say>\xfc\x00\xff</Say><Gather action="\xff"/><Redirect>/twilio/a</Redirect></Response>'
    )
    found = rewrite_twiml(body, RULES, VOICE, INWARD, PUBLIC)
    assert found.body == body.replace(b"/twilio/a", f"{PUBLIC_URL}/voice/orders/a".encode())
    assert found.replaced == 1


def test_hosts_that_twilio_cannot_reach_are_told() -> None:
    text = (
        "<Response><Play>http://10.0.0.7/a.mp3</Play><Play>http://media/a</Play><Play>https://cdn.example.com/a</Play>"
        f'<Dial action="{ORDERS}/admin"><Number url="http://localhost:5000/x">1</Number></Dial>'
        '<Start><Stream url="wss://media.internal/s"/></Start><Redirect>/nowhere</Redirect></Response>'
    )
    found = rewrite_twiml(text.encode(), RULES, VOICE, INWARD, PUBLIC)
    assert found.unreachable == ("10.0.0.7", "media", "orders.internal", "localhost", "media.internal")
    assert found.body.decode() == text


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("10.1.2.3", True), ("127.0.0.1", True), ("169.254.1.1", True), ("fd00::1", True), ("::1", True),
        ("orders", True), ("orders.svc.cluster.local", True), ("a.internal", True), ("localhost", True),
        ("127.1", True), ("0x7f.1", True), ("10.1", True), ("8.8.2056", False), ("9.9.9.999", True),
        ("orders.shop.svc", True), ("orders.test", True), ("localhost.localdomain", True),
        ("8.8.8.8", False), ("2606:4700::1111", False), ("example.com", False), ("example.com.", False),
    ],
)  # fmt: skip
def test_private_hosts(host: str, private: bool) -> None:
    assert is_unreachable(host) is private


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"text/xml", True), (b"application/xml; charset=utf-8", True), (b"TEXT/XML", True),
        (b"application/twiml+xml", True), (b"text/plain", False), (b"application/json", False),
    ],
)  # fmt: skip
def test_types(kind: bytes, expected: bool) -> None:
    assert is_twiml(kind, b"<Response/>") is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<Response/>", True), ("<Response><Say>x</Say></Response>", True), ("\ufeff<Response\n>", True),
        ("<?xml version='1.0'?>\n<!-- a - b -->\n<Response>", True), ("<x:Response xmlns:x='y'>", True),
        ("<!DOCTYPE html><html><Response>", False), ("<html>", False), ("Response", False), ("", False),
        ("<Responses>", False), ("<!-- <Response> -->", False), ("<response/>", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [b"text/html; charset=utf-8", b"TEXT/HTML", b""])
def test_html_and_no_type_are_twiml_by_their_root(kind: bytes, text: str, expected: bool) -> None:
    """Twilio reads text/html as TwiML, and frameworks say so of any text."""
    for encoding in ("utf-8", "utf-16-le", "utf-32-be") if text.startswith("<") else ("utf-8",):
        assert is_twiml(kind, text.encode(encoding)) is expected


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "latin-1", "cp1252"]
)
def test_any_encoding_stays_as_it_is(encoding: str) -> None:
    text = "<?xml version='1.0'?><Response><Say>Grüße</Say><Redirect>{}?x=ü</Redirect></Response>"
    before, after = text.format(f"{ORDERS}/twilio/next"), text.format(f"{PUBLIC_URL}/voice/orders/next")
    found = rewrite_twiml(before.encode(encoding), RULES, VOICE, INWARD, PUBLIC)
    assert (found.body, found.replaced) == (after.encode(encoding), 1)


def test_what_is_cut_off_in_its_encoding_is_left_alone() -> None:
    for body in (b"<\0R\0e", b"\xff\xfe\x00\xd8<\0", b"\xff\xfe<"):
        assert rewrite_twiml(body, RULES, VOICE, INWARD, PUBLIC) == (body, 0, ())


LONG = {
    "tags without end": "<a " * 20_000,
    "brackets": "<" * 60_000,
    "comments without end": "<!--" * 15_000,
    "CDATA without end": "<![CDATA[" * 6_000,
    "instructions without end": "<?" * 30_000,
    "declarations without end": "<![" * 20_000,
    "values without end": '<a x="' * 10_000,
    "one long name": f"<a {'x' * 60_000}>",
    "white space behind a name": f"<a x{' ' * 60_000}>",
    "white space behind an equals sign": f"<a x={' ' * 60_000}>",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_answer_is_scanned_in_linear_time(text: str) -> None:
    """A megabyte and more of each takes a moment; quadratic matching would take hours."""
    text *= 25
    assert _rewrite(text) == text


def test_behind_what_has_no_end_there_are_no_tags() -> None:
    for opens in ("<!--", "<![CDATA[", "<?", "<![", "<Redirect><![CDATA["):
        text = f"{opens}<Play>{ORDERS}/twilio/a</Play>"
        assert _rewrite(text) == text
