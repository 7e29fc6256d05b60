"""What Twilio's answer to a message tells of its cost: how many segments, and to which country.

Pure, and as little as possible: two patterns over the answer's bytes. Of the number only the country of its
calling code is kept, by the table here (ITU E.164 assigned codes), so that nothing here identifies a person.
"""

import re
from typing import Final, NamedTuple

from gateway.http.content_coding import peek

MESSAGES: Final = "/2010-04-01/Accounts/{AccountSid}/Messages"
"""The label of the route that creates messages."""
OTHER: Final = "other"

# Quotes and angle brackets inside a text are escaped in JSON and XML, so that no message can pose as these.
# Beside each pattern is what it begins with: looked for first, for a pattern's own search takes a step for
# each byte.
_JSON_SEGMENTS: Final = b'"num_segments"'
_JSON_RECIPIENT: Final = b'"to"'
_COLONS: Final = (b": ", b":")
_JSON: Final = (
    (_JSON_SEGMENTS, re.compile(rb'"num_segments": ?"([0-9]{1,3})"')),
    (_JSON_RECIPIENT, re.compile(rb'"to": ?"(?:[a-z]+:)?\+([0-9]{3})')),
)
_XML: Final = (
    (b"<NumSegments>", re.compile(rb"<NumSegments>([0-9]{1,3})<")),
    (b"<To>", re.compile(rb"<To>(?:[a-z]+:)?\+([0-9]{3})")),
)
_MAX_BYTES: Final = 65_536

# One country's codes; what several share without a plain owner (+7, +590 …) is `other`. Dependencies that
# dial by their country's code count as it: +44 is GB with Jersey, +61 AU with Christmas Island.
_TABLE = (
    "1=NANP 20=EG 27=ZA 30=GR 31=NL 32=BE 33=FR 34=ES 36=HU 39=IT 40=RO 41=CH 43=AT 44=GB 45=DK 46=SE "
    "47=NO 48=PL 49=DE 51=PE 52=MX 53=CU 54=AR 55=BR 56=CL 57=CO 58=VE 60=MY 61=AU 62=ID 63=PH 64=NZ "
    "65=SG 66=TH 81=JP 82=KR 84=VN 86=CN 90=TR 91=IN 92=PK 93=AF 94=LK 95=MM 98=IR 211=SS 212=MA 213=DZ "
    "216=TN 218=LY 220=GM 221=SN 222=MR 223=ML 224=GN 225=CI 226=BF 227=NE 228=TG 229=BJ 230=MU 231=LR "
    "232=SL 233=GH 234=NG 235=TD 236=CF 237=CM 238=CV 239=ST 240=GQ 241=GA 242=CG 243=CD 244=AO 245=GW "
    "246=IO 248=SC 249=SD 250=RW 251=ET 252=SO 253=DJ 254=KE 255=TZ 256=UG 257=BI 258=MZ 260=ZM 261=MG "
    "263=ZW 264=NA 265=MW 266=LS 267=BW 268=SZ 269=KM 291=ER 297=AW 298=FO 299=GL 350=GI 351=PT 352=LU "
    "353=IE 354=IS 355=AL 356=MT 357=CY 358=FI 359=BG 370=LT 371=LV 372=EE 373=MD 374=AM 375=BY 376=AD "
    "377=MC 378=SM 380=UA 381=RS 382=ME 383=XK 385=HR 386=SI 387=BA 389=MK 420=CZ 421=SK 423=LI 500=FK "
    "501=BZ 502=GT 503=SV 504=HN 505=NI 506=CR 507=PA 508=PM 509=HT 591=BO 592=GY 593=EC 594=GF 595=PY "
    "596=MQ 597=SR 598=UY 670=TL 673=BN 674=NR 675=PG 676=TO 677=SB 678=VU 679=FJ 680=PW 681=WF 682=CK "
    "683=NU 685=WS 686=KI 687=NC 688=TV 689=PF 690=TK 691=FM 692=MH 850=KP 852=HK 853=MO 855=KH 856=LA "
    "880=BD 886=TW 960=MV 961=LB 962=JO 963=SY 964=IQ 965=KW 966=SA 967=YE 968=OM 970=PS 971=AE 972=IL "
    "973=BH 974=QA 975=BT 976=MN 977=NP 992=TJ 993=TM 994=AZ 995=GE 996=KG 998=UZ"
)
_COUNTRIES: Final = {
    code.encode(): name for code, _, name in (entry.partition("=") for entry in _TABLE.split())
}
# No code is the beginning of another one.
_BY_DIGITS: Final = {
    digits: _COUNTRIES.get(digits) or _COUNTRIES.get(digits[:2]) or _COUNTRIES.get(digits[:1]) or OTHER
    for digits in [b"%03d" % number for number in range(1000)]
}
COUNTRIES: Final = frozenset({*_COUNTRIES.values(), OTHER})
"""Every country that can be told."""


class Sent(NamedTuple):
    """A message as Twilio took it. No segments: its answer does not say, and the country is ''."""

    segments: int
    country: str


_UNREAD: Final = Sent(0, "")


def read_sent(body: bytes) -> tuple[int, str]:
    """`Sent`: what the answer to a created message says; a compressed one is decoded for it."""
    body = peek(body, _MAX_BYTES)
    if len(body) <= _MAX_BYTES:
        # As Twilio writes it, and without a pattern: `find` with bounds takes longer than `partition`.
        _, _, after = body.partition(_JSON_SEGMENTS)
        colon, _, value = after[:7].partition(b'"')
        segments, end, _ = value.partition(b'"')
        if end and len(segments) <= 3 and segments.isdigit() and colon in _COLONS:
            _, _, recipient = after.partition(_JSON_RECIPIENT)
            colon, plus, digits = recipient[:7].partition(b'"+')
            digits = digits[:3]
            if plus and colon in _COLONS and len(digits) == 3 and digits.isdigit():
                return int(segments), _BY_DIGITS[digits]
    return _search_both(body)


def _search_both(body: bytes) -> tuple[int, str]:
    """The same by the patterns."""
    for segments, recipient in (_JSON, _XML):
        found = _search(segments, body, 0, _MAX_BYTES)
        if found is not None:
            # In what Twilio writes, the recipient follows.
            to = _search(recipient, body, found.end(), len(body)) or _search(recipient, body, 0, len(body))
            return int(found[1]), OTHER if to is None else find_country(to[1])
    return _UNREAD


def _search(
    wanted: tuple[bytes, re.Pattern[bytes]], body: bytes, start: int, end: int
) -> re.Match[bytes] | None:
    """The first place between `start` and `end` where the pattern fits."""
    beginning, pattern = wanted
    at = body.find(beginning, start, end)
    return None if at < 0 else pattern.search(body, at, end)


def find_country(digits: bytes) -> str:
    """The country of a number's first three digits, `NANP` for +1, `other` for what no one country has."""
    return _BY_DIGITS.get(digits, OTHER)
