"""The link to the next page can be followed the way that the first page was asked for: it stays inside."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.caller import ask, raw_caller, request
from tests.support.running import ACCOUNT_SID, Running, running_gateway
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


RECORDINGS = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Recordings"
FIELDS = ("Location", "Content-Location", "Link")


@pytest.mark.parametrize("before", ["", "/api"], ids=["a10-bare path", "a10-prefix"])
async def test_the_media_of_a_recording_stays_inside(
    before: str, gateway: Running, upstream: RawUpstream
) -> None:
    """The one absolute link of the 2010 API; a caller that followed it would show Twilio its own key."""
    media = f"https://api.twilio.com{RECORDINGS}/RE1"
    page = json.dumps({"recordings": [{"media_url": media}]}).encode()
    upstream.then(reply(page, fields=("Content-Type: application/json",)))
    answer = await ask(gateway.port, request(f"GET {before}{RECORDINGS}.json", "Accept-Encoding: gzip"))
    assert json.loads(answer.body)["recordings"][0]["media_url"] == f"http://gateway.test/api{RECORDINGS}/RE1"
    assert (await upstream.arrived()).values("accept-encoding") == ["identity"]


@pytest.mark.parametrize("before", ["", "/api"], ids=["a10-bare path", "a10-prefix"])
async def test_fields_with_links_stay_inside(before: str, gateway: Running, upstream: RawUpstream) -> None:
    url = f"https://user@API.twilio.com.:443{RECORDINGS}"
    fields = (f"Location: {url}", f"Content-Location: {url}", f"Link: <{url}>; rel=next")
    for _ in range(3):  # the third head is read by the shape of those before
        upstream.then(reply(b"{}", status="303 See Other", fields=fields))
        answer = await ask(gateway.port, request(f"GET {before}{RECORDINGS}.json"))
        inside = f"http://gateway.test/api{RECORDINGS}"
        assert [answer.value(name) for name in FIELDS] == [inside, inside, f"<{inside}>; rel=next"]
