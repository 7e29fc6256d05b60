"""The link to the next page can be followed the way that the first page was asked for: it stays inside."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.caller import raw_caller, request
from tests.support.running import running_gateway
from tests.support.tls import Authority
from tests.support.upstream import RawUpstream, reply

LIST = "/v1/Services?PageSize=1"
WAYS = {
    "prefix": ("/messaging", "gateway.example.com:{port}"),
    "absolute form": ("http://messaging.twilio.com", "messaging.twilio.com"),
    "Host": ("", "messaging.twilio.com"),
    "Host and port": ("", "messaging.twilio.com:{port}"),
    "doubled slash": ("/messaging/", "gateway.example.com:{port}"),
}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("way", WAYS)
async def test_page_two_stays_inside(way: str, secure: bool, tmp_path: Path, upstream: RawUpstream) -> None:
    """Followed to the letter: the same host (which DNS or a proxy leads here), port and scheme."""
    page = json.dumps({"meta": {"next_page_url": f"https://messaging.twilio.com{LIST}&Page=1"}}).encode()
    authority = Authority()
    tls = {"tls": authority.write_pair(tmp_path)} if secure else {}
    async with running_gateway(upstream.url, **tls) as gateway:
        before, host = (part.replace("{port}", str(gateway.port)) for part in WAYS[way])
        if secure:
            before = before.replace("http:", "https:")
        async with raw_caller(gateway.port, tls=authority.trusting() if secure else None) as caller:
            for number in (1, 2):
                upstream.then(reply(page, fields=("Content-Type: application/json",)))
                data = request(f"GET {before}{LIST}").replace(b"Host: gateway.test", f"Host: {host}".encode())
                assert f"Host: {host}".encode() in data
                await caller.send(data)
                answer = await caller.answer()
                assert answer.status == 200, number
                link = urlsplit(json.loads(answer.body)["meta"]["next_page_url"])
                assert link.scheme == ("https" if secure else "http")
                assert link.netloc == (
                    host if before != "https://messaging.twilio.com" else "messaging.twilio.com"
                )
                assert link.query == "PageSize=1&Page=1"
                if way in ("prefix", "doubled slash"):
                    assert link.path == "/messaging/v1/Services"
                else:
                    assert link.path == "/v1/Services"
    assert [received.head.split()[1].decode() for received in upstream.received] == [LIST, LIST]
