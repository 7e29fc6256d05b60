"""Secrets, a phone number and a message to search for, and requests on all error paths that carry them."""

from base64 import b64encode

from tests.support.caller import FORM, request
from tests.support.jwt import SUBJECT, claims, rsa_key, sign, unsigned
from tests.support.running import ACCOUNT_SID, consumer, digest
from tests.support.upstream import ScriptedConnection, Step, hang, raw

SECRET, SECOND, TOKEN = "cAnArY-twilio-secret", "cAnArY-second-secret", "cAnArY-auth-token-0123456789"
KEY, LIMITED, OLD = (
    "gw_cAnArY-key-1-0123456789012345678",
    "gw_cAnArY-key-2-012345678901234567",
    "gw_cAnArY-key-3-0123456789012",
)
PHONE, MESSAGE = "+15558675309", "cAnArY message text"
ENVIRON = {"S1": SECRET, "S2": SECOND, "T": TOKEN}
PRIVATE = rsa_key()
ENDED = sign(claims(exp=1_600_000_000), PRIVATE)
FORGED = unsigned(claims(), {"alg": "none"}, b"signature")
BEARER = sign(claims(), PRIVATE)
CANARIES = [
    ENDED,
    FORGED,
    BEARER,
    SECRET,
    SECOND,
    TOKEN,
    KEY,
    LIMITED,
    OLD,
    PHONE,
    "%2B15558675309",
    MESSAGE,
    "cAnArY+message",
]
SID = "SK" + "1" * 32
PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
BODY = f"To=%2B{PHONE[1:]}&Body={MESSAGE.replace(' ', '+')}".encode()


def encodings(text: str) -> list[bytes]:
    """As it stands, and inside Base64 at each of its three alignments, alone or as a password of ours."""
    found = [text.encode(), text.encode().hex().encode()]
    for before in (b"", b"a", b"aa"):
        coded = b64encode(before + text.encode())
        found.append(coded[4:-4] if len(coded) > 16 else coded)
    for user in ("app", "limited", "old", SID, ACCOUNT_SID):
        found.append(b64encode(f"{user}:{text}".encode()))
    return found


NEEDLES = [needle for canary in CANARIES for needle in encodings(canary)]


def holds_canary(data: bytes) -> list[bytes]:
    """The needles in some bytes."""
    return [needle for needle in NEEDLES if needle in data]


SETTINGS = {
    "credentials": {
        "main": {
            "account_sid": ACCOUNT_SID,
            "keys": [
                {"sid": SID, "secret": {"env": "S1"}},
                {"sid": "SK" + "2" * 32, "secret": {"env": "S2"}},
            ],
            "auth_token": {"env": "T"},
        }
    },
    "consumers": {
        "app": consumer(
            KEY, allow=["everything"], jwt=[{"issuer": "cluster", "claims": {"sub": SUBJECT}}]
        ),
        "limited": consumer(
            LIMITED,
            allow=["POST api /2010-04-01/Accounts/{AccountSid}/Messages", "DELETE messaging /v1/**"],
            form={"to": ["+44"]},
            emit="post",
        ),
        "old": consumer(OLD, keys=[{"digest": digest(OLD), "expires": "2020-01-01T00:00:00Z"}]),
    },
    "upstream": {"deadline_seconds": 30, "idle_seconds": 25},
    "callers": {"body_seconds": 30, "header_bytes": 4096},
}  # fmt: skip


def auth(user: str, key: str) -> str:
    """Basic for a consumer."""
    return "Basic " + b64encode(f"{user}:{key}".encode()).decode()


APP, NARROW = auth("app", KEY), auth("limited", LIMITED)


def post(
    *fields: str, path: str = PATH, key: str | None = APP, body: bytes = BODY, version: str = "1.1"
) -> bytes:
    """A message with everything that must not be seen."""
    kind = () if any(field.startswith("Content-Type") for field in fields) else (FORM,)
    marked = (
        f"X-Note: {MESSAGE}",
        f"Cookie: {TOKEN}",
        f"traceparent: 00-{'4b' * 16}-{'0f' * 8}-01",
        f"tracestate: a={KEY},b={MESSAGE},c={PHONE}",
        f"baggage: secret={SECRET}",
        "Gateway-Repeat: allow",
    )
    return request(f"POST {path}?To={PHONE}", *kind, *marked, *fields, body=body, auth=key, version=version)


async def stall(connection: ScriptedConnection) -> None:
    """An answer that begins and never goes on."""
    await connection.send(b"HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n{")
    await hang()(connection)


EXCHANGES: list[tuple[str, bytes, Step | None]] = [
    ("", post(), None),
    ("", post(f"X-Request-Id: {KEY}"), None),
    ("", post(f"X-Request-Id: {LIMITED}"), None),
    ("unknown_consumer", post(f"X-Request-Id: {SECRET}", key=f"Bearer {SECRET}"), None),
    ("malformed_request", post("Transfer-Encoding: gzip"), None),
    ("malformed_request", f"GET /{KEY} HTTP/1.1\r\nBroken {SECRET}\r\n\r\n".encode(), None),
    ("malformed_request", f"{KEY} {PHONE} {MESSAGE}\r\n\r\n".encode(), None),
    ("bad_target", post(path=f"{PATH};{PHONE}"), None),
    ("bad_header", post(f"Idempotency-Key: {KEY}", f"Idempotency-Key: {MESSAGE}"), None),
    ("bad_host", post().replace(b"Host: gateway.test", f"Host: {KEY}/{PHONE}".encode()), None),
    ("unexpected_body", request(f"GET {PATH}?To={PHONE}", FORM, auth=APP, body=BODY * 2000), None),
    ("incomplete_body", post("Transfer-Encoding: chunked", body=b"zz" + BODY), None),
    ("bad_body", post("Content-Type: multipart/form-data; boundary=x", body=BODY), None),
    ("method_override", post(path=PATH, body=BODY + b"&_method=DELETE"), None),
    ("missing_key", post(key=None), None),
    ("unknown_consumer", post(key=auth(SECRET, TOKEN)), None),
    ("unknown_consumer", post(key=f"Bearer {SECRET}"), None),
    ("expired_key", post(key=auth("old", OLD)), None),
    ("invalid_token", post(key=f"Bearer {FORGED}"), None),
    ("expired_token", post(key=auth("app", ENDED)), None),
    ("", post(f"X-Forwarded-Token: {BEARER}", f"X-Token: a {BEARER}", key=f"Bearer {BEARER}"), None),
    ("not_allowed", post(path=PATH.replace("Messages", "Calls"), key=NARROW), None),
    ("management_endpoint", post(path="/2010-04-01/Accounts.json"), None),
    ("foreign_account", post(path=PATH.replace(ACCOUNT_SID, "AC" + "9" * 32)), None),
    ("wrong_region", post().replace(b"gateway.test", b"api.dublin.ie1.twilio.com"), None),
    ("form_rule", post(key=NARROW), None),
    ("unknown_address", post(path=f"/{PHONE}"), None),
    ("method_not_allowed", post().replace(b"POST", b"OPTIONS", 1), None),
    ("body_timeout", post("Content-Length: 999"), None),
    ("body_too_large", post("Content-Length: 9999999"), None),
    ("content_type", post(f"Content-Type: text/{MESSAGE.split()[0]}"), None),
    ("expectation", post("Expect: cAnArY+message"), None),
    ("header_too_large", post("X-Long: " + KEY * 300), None),
    ("connect_unsupported", f"CONNECT {PHONE[1:]}:443 HTTP/1.1\r\nHost: a\r\n\r\n".encode(), None),
    ("upstream_lost", post(), raw(ends="close")),
    ("upstream_unreadable", post(), raw(f"{SECRET} {PHONE}\r\n\r\n".encode())),
    ("upstream_unreadable", post(), raw(f"HTTP/1.1 200 OK\r\nContent-Length : 1 {SECRET}\r\n\r\n".encode())),
    ("upstream_unreadable", post(), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", ends="close")),
    ("upstream_timeout", post(), hang()),
    ("upstream_timeout", post(), stall),
]  # fmt: skip
