"""What an answer tells of a message: segments and country, and nothing that a message's text could feign."""

import gzip
import json
import re

import pytest

from gateway.twilio.message_segments import COUNTRIES, OTHER, Sent, find_country, read_sent
from tests.bench.upstream import ANSWER_BODY


def _answer(to: str = "+15558675310", segments: str = "2", text: str = "hello") -> bytes:
    return json.dumps({"body": text, "num_segments": segments, "to": to}).encode()


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (ANSWER_BODY, Sent(1, "NANP")),
        (_answer(), Sent(2, "NANP")),
        (_answer(to="+447700900123", segments="12"), Sent(12, "GB")),
        (_answer(to="whatsapp:+4915112345678"), Sent(2, "DE")),
        (_answer(to="messenger:12345"), Sent(2, OTHER)),
        (_answer(to="+79161234567"), Sent(2, OTHER)),
        (_answer(text='"num_segments":"99","to":"+4477'), Sent(2, "NANP")),
        (_answer(text="<NumSegments>99</NumSegments>"), Sent(2, "NANP")),
        (b"<TwilioResponse><Message><To>+353861234567</To><NumSegments>3</NumSegments>", Sent(3, "IE")),
        (gzip.compress(_answer()), Sent(2, "NANP")),
        (gzip.compress(_answer())[:-4], Sent(2, "NANP")),
        (b"\x1f\x8bnot gzip", Sent(0, "")),
        (gzip.compress(b" " * 200_000 + _answer()), Sent(0, "")),
        (b"", Sent(0, "")),
        (b"{}", Sent(0, "")),
        (b'{"num_segments": "1234", "to": "+15558675310"}', Sent(0, "")),
        (b'{"num_segments":"1234","to":"+15558675310"}', Sent(0, "")),
        (_answer(segments="123").replace(b'": ', b'":'), Sent(123, "NANP")),
        (b'{"num_segments": "", "to": "+15558675310"}', Sent(0, "")),
        (b'{"num_segments": "2", "to": "+15"}', Sent(2, OTHER)),
        (b'{"to": "+15558675310", "num_segments": "2"}', Sent(2, "NANP")),
        (b'{"num_segments":null,"to":"+15558675310"}', Sent(0, "")),
    ],
)
def test_answers(body: bytes, sent: Sent) -> None:
    assert read_sent(body) == sent


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        (b"155", "NANP"), (b"202", "EG"), (b"212", "MA"), (b"353", "IE"), (b"336", "FR"), (b"972", "IL"),
        (b"852", "HK"), (b"779", OTHER), (b"590", OTHER), (b"800", OTHER), (b"882", OTHER), (b"999", OTHER),
        (b"000", OTHER),
    ],
)  # fmt: skip
def test_countries(digits: bytes, country: str) -> None:
    assert find_country(digits) == country


def test_no_calling_code_begins_another() -> None:
    """Else the order of looking them up would matter; and names are few, short and no numbers."""
    found = {f"{number:03}": find_country(b"%03d" % number) for number in range(1000)}
    assert set(found.values()) == COUNTRIES
    for name in COUNTRIES - {OTHER}:
        assert re.fullmatch(r"[A-Z]{2}|NANP", name)
        codes = [digits for digits, each in found.items() if each == name]
        assert len(codes) in (1, 10, 100), f"{name} has more than one calling code"
