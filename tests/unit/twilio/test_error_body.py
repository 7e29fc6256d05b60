"""Our own errors in Twilio's shape: JSON or XML, and nothing of the request in them."""

from xml.etree import ElementTree

import orjson
import pytest

from gateway.errors import KINDS, FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.twilio.error_body import REASONS, ErrorHelp, render_error, wants_xml

_DETAIL = "Send <this> & \"that\" or 'it' … instead."
_JSON, _XML = "/2010-04-01/Accounts/AC1/Messages.json", "/2010-04-01/Accounts/AC1/Messages"


@pytest.mark.parametrize("slug", KINDS)
def test_every_slug_as_json(slug: str) -> None:
    rendered = render_error(Refusal(slug, _DETAIL), _JSON)
    kind = KINDS[slug]
    assert (rendered.status, rendered.reason) == (kind.status, REASONS[kind.status])
    assert rendered.fields == ((b"Content-Type", b"application/json"), (b"Gateway-Error", slug.encode()))
    assert orjson.loads(rendered.body) == {
        "code": kind.code,
        "message": _DETAIL,
        "more_info": f"docs/errors.md#{slug}",
        "status": kind.status,
        "gateway_error": slug,
    }


@pytest.mark.parametrize("slug", KINDS)
def test_every_slug_as_xml(slug: str) -> None:
    rendered = render_error(Refusal(slug, _DETAIL), _XML)
    kind = KINDS[slug]
    assert rendered.fields == ((b"Content-Type", b"application/xml"), (b"Gateway-Error", slug.encode()))
    root = ElementTree.fromstring(rendered.body)
    assert [(node.tag, node.text) for node in root[0]] == [
        ("Code", str(kind.code)),
        ("Message", _DETAIL),
        ("MoreInfo", f"docs/errors.md#{slug}"),
        ("Status", str(kind.status)),
        ("GatewayError", slug),
    ]
    assert (root.tag, root[0].tag) == ("TwilioResponse", "RestException")


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (
            Refusal("missing_key", "", headers=(("WWW-Authenticate", 'Basic realm="twilio-gateway"'),)),
            ((b"WWW-Authenticate", b'Basic realm="twilio-gateway"'),),
        ),
        (UpstreamFailure("upstream_lost", FailurePhase.SENT, ""), ()),
        (
            UpstreamFailure("upstream_lost", FailurePhase.SENT, "").with_outcome(replayable=False),
            ((b"Gateway-Outcome", b"unknown"),),
        ),
        (UpstreamFailure("upstream_lost", FailurePhase.SENT, "").with_outcome(replayable=True), ()),
        (GatewayError("internal_error", ""), ()),
    ],
    ids=["challenge", "failure", "unknown outcome", "known outcome", "fault"],
)
def test_further_fields(error: GatewayError, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    assert render_error(error, _JSON).fields[2:] == fields


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/2010-04-01/Accounts/AC1/Messages", True),
        ("/2010-04-01/Accounts/AC1/Messages.xml", True),
        ("/2010-04-01/Accounts/AC1/Messages?a=.json", True),
        ("/api/2010-04-01/Accounts/AC1/Messages/SM1", True),
        ("http://api.twilio.com/2010-04-01/Accounts/AC1", True),
        ("/2010-04-01/../x", True),
        ("/2010-04-01/Accounts/AC1/Messages.json", False),
        ("/2010-04-01/Accounts/AC1/Messages.json?a=b.xml", False),
        ("/2010-04-01/Accounts/AC1/Usage/Records.csv", False),
        ("/2010-04-01/Accounts/AC1/Recordings/RE1.mp3", False),
        ("/verify/v2/Services", False),
        ("/verify/v2/Services?x=/2010-04-01/", False),
        ("", False),
        ("*", False),
        ("\udc80", False),
    ],
)
def test_xml_is_for_the_2010_api_without_another_suffix(path: str, expected: bool) -> None:
    assert wants_xml(path) == expected


@pytest.mark.parametrize("path", [_JSON, _XML])
def test_the_path_is_not_echoed(path: str) -> None:
    body = render_error(Refusal("bad_target", "no"), path + "?canary").body
    assert b"canary" not in body
    assert b"AC1" not in body


@pytest.mark.parametrize("path", [_JSON, _XML], ids=["json", "xml"])
def test_d9_more_info_leads_to_our_documentation_and_the_message_to_a_person(path: str) -> None:
    advice = ErrorHelp("https://docs.example.com/errors?a=1&b=2", "platform team <twilio@example.com>")
    body = render_error(Refusal("not_allowed", "No."), path, advice).body
    if path is _JSON:
        found = orjson.loads(body)
        message, more_info = found["message"], found["more_info"]
    else:
        root = ElementTree.fromstring(body)
        message, more_info = root.findtext("*/Message"), root.findtext("*/MoreInfo")
    assert message == "No. Contact: platform team <twilio@example.com>"
    assert more_info == "https://docs.example.com/errors?a=1&b=2#not_allowed"
