"""Which resource an answer of Twilio's says was created."""

import gzip

import pytest

from gateway.twilio.created_sid import read_call_sid, read_created_sid

SID, OTHER = "SM" + "0a" * 16, "MG" + "1b" * 16
JSON = f'{{"account_sid": "AC{"2c" * 16}", "body": "\\"sid\\": \\"{OTHER}\\"", "sid": "{SID}"}}'.encode()
XML = f"<TwilioResponse><Message><Sid>{SID}</Sid><Body>&lt;Sid>{OTHER}</Body>".encode()


@pytest.mark.parametrize("body", [JSON, JSON.replace(b": ", b":"), gzip.compress(JSON), XML])
def test_the_resource_s_own_sid(body: bytes) -> None:
    assert read_created_sid(body) == SID


@pytest.mark.parametrize("body", [b"", b"{}", b'{"sid": "SM1"}', b'{"sid": null}', b"\x1f\x8b broken"])
def test_none(body: bytes) -> None:
    assert read_created_sid(body) == ""


@pytest.mark.parametrize(
    "value",
    ["S1" + "0a" * 16, "sm" + "0a" * 16, "SM" + "0g" * 16, "SM" + "0a" * 15 + "0_", SID + "0", SID[:-1]],
)
def test_what_is_no_sid(value: str) -> None:
    assert read_created_sid(f'{{"sid": "{value}"}}'.encode()) == ""


@pytest.mark.parametrize(
    ("body", "sid"),
    [
        (f'{{"data": {{"sid": "{OTHER}"}}, "sid": "{SID}"}}', SID),
        (f'{{"data": {{"sid": "{OTHER}"}}, "sid": null}}', ""),
        (f'{{"items": [{{"sid": "{OTHER}"}}]}}', ""),
        (f'{{"body": "{{[", "links": {{}}, "sid": "{SID}"}}', SID),
        (f'{{"body": "}} \\"{{", "sid" : "{SID}", "later": {{"sid": "{OTHER}"}}}}', SID),
        (f'[{{"sid": "{OTHER}"}}]', ""),
    ],
)
def test_only_of_the_outermost_object(body: str, sid: str) -> None:
    assert read_created_sid(body.encode()) == sid


def test_no_more_than_the_beginning_is_read() -> None:
    assert read_created_sid(b'{"body": "%b", "sid": "%b"}' % (b"x" * 70_000, SID.encode())) == ""


def test_the_call_of_a_participant() -> None:
    sid = "CA" + "0a" * 16
    assert read_call_sid(b'{"account_sid": "AC", "call_sid": "%b"}' % sid.encode()) == sid
    assert read_call_sid(b"<Participant><CallSid>%b</CallSid>" % sid.encode()) == sid
    assert read_call_sid(b'{"call_sid": null}') == ""
