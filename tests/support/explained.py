"""Consumers of every kind for `gateway explain`, and a request in the forms that both sides take."""

from base64 import b64encode
from typing import Any, NamedTuple

from gateway.explanation import Explanation, RequestDraft, explain
from tests.support.attempts import SOON
from tests.support.caller import FORM
from tests.support.running import ACCOUNT_SID, Running, consumer

ACCOUNT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
MESSAGE = f"{ACCOUNT}/Messages/SM00000000000000000000000000000000.json"
KEYS = {name: f"gw_key-of-the-consumer-{name}-0123456789" for name in ("all", "narrow", "old", "report")}
GET_AND_POST = ["GET api /2010-04-01/**", "POST api /2010-04-01/**"]
RULES = {"to": ["+1"], "from": ["+15005550006"], "callback_hosts": ["hooks.example.com"]}
SETTINGS: dict[str, Any] = {
    "consumers": {
        "all": consumer(KEYS["all"], allow=["everything", "GET api /2010-04-01/Accounts/{AccountSid}"]),
        "narrow": consumer(KEYS["narrow"], allow=GET_AND_POST, form=RULES),
        "old": consumer(KEYS["old"], legacy=True, convert=True, emit="post"),
        "report": consumer(KEYS["report"], allow=["messages:send"], mode="report", form=RULES),
    },
    "retry": SOON,
}
JSON = "Content-Type: application/json"


class Row(NamedTuple):
    """A request; the account of `path` may stand for ours."""

    consumer: str
    line: str
    fields: tuple[str, ...] = ()
    body: bytes = b""
    host: str = "gateway.test"

    @property
    def raw_fields(self) -> tuple[tuple[str, str], ...]:
        """As they are sent, the key among them."""
        token = b64encode(f"{self.consumer}:{KEYS[self.consumer]}".encode()).decode()
        given = [tuple(field.split(": ", 1)) for field in self.fields]
        length = [("Content-Length", str(len(self.body)))] if self.body else []
        return (("Host", self.host), ("Authorization", f"Basic {token}"), *given, *length)  # type: ignore[arg-type]

    @property
    def data(self) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.line} HTTP/1.1", *(f"{name}: {value}" for name, value in self.raw_fields)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def explained(self, gateway: Running) -> Explanation:
        """What `explain` says of it, by the snapshot in force."""
        snapshot = gateway.gateway._snapshots.current
        method, _, target = self.line.partition(" ")
        fields = tuple((name.encode(), value.encode()) for name, value in self.raw_fields)
        given = snapshot.consumers[self.consumer]
        return explain(snapshot, given, RequestDraft(method, target, fields, self.body))


def form_row(name: str, body: bytes, target: str = f"{ACCOUNT}/Messages.json", *fields: str) -> Row:
    return Row(name, f"POST {target}", (FORM, *fields), body)
