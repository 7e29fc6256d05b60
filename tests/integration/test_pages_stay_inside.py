"""Page 2 leads back to the gateway, however page 1 was asked for."""

import asyncio
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.authority import make_authority, trusting_root
from tests.support.caller import RawCaller, request
from tests.support.running import running_gateway
from tests.support.tunnel import tunnel
from tests.support.upstream import raw_upstream, reply

HOST = "verify.twilio.com"
PAGE = b'{"meta": {"next_page_url": "https://verify.twilio.com/v2/Services?Page=1"}}'
JSON = ("Content-Type: application/json",)


async def _next_page(caller: RawCaller, line: str, host: str) -> str:
    await caller.send(request(line).replace(b"gateway.test", host.encode()))
    answer = await caller.answer()
    assert answer.status == 200, answer
    link: str = json.loads(answer.body)["meta"]["next_page_url"]
    return link


async def test_in_a_tunnel(tmp_path: Path) -> None:
    """An https link to a Twilio host: the client's proxy setting sends the next CONNECT here, too."""
    ca = make_authority(tmp_path)
    async with raw_upstream() as upstream, running_gateway(upstream.url, ca=ca) as gateway:
        upstream.then(reply(PAGE, fields=JSON))
        async with tunnel(gateway.port, trusting_root(tmp_path), HOST) as caller:
            link = urlsplit(await _next_page(caller, "GET /v2/Services", HOST))
        assert (link.scheme, link.port) == ("https", None)
        async with tunnel(gateway.port, trusting_root(tmp_path), link.hostname or "") as caller:
            await caller.send(
                request(f"GET {link.path}?{link.query}").replace(b"gateway.test", link.netloc.encode())
            )
            assert (await caller.answer()).status == 200
        assert [each.line for each in upstream.received][1] == "GET /v2/Services?Page=1 HTTP/1.1"


WAYS = {
    "by_name": ("GET /v2/Services", HOST, HOST),
    "absolute": (f"GET https://{HOST}/v2/Services", HOST, HOST),
    "prefix": ("GET /verify/v2/Services", "gw.internal", "gw.internal"),
}


@pytest.mark.parametrize(("line", "host", "leads_to"), WAYS.values(), ids=WAYS)
async def test_over_https(tmp_path: Path, line: str, host: str, leads_to: str) -> None:
    """Over TLS that is minted by name: the link is https, and to the name by which the caller came."""
    ca = make_authority(tmp_path, ["gw.internal"]) | {"names": ["gw.internal"]}
    async with (
        raw_upstream() as upstream,
        running_gateway(upstream.url, ca=ca, tls={"mint": True}) as gateway,
    ):
        upstream.then(reply(PAGE, fields=JSON))
        context: ssl.SSLContext = trusting_root(tmp_path)
        for count in range(2):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", gateway.port, ssl=context, server_hostname=host
            )
            caller = RawCaller(reader, writer)
            if count == 0:
                link = urlsplit(await _next_page(caller, line, host))
                assert (link.scheme, link.hostname) == ("https", leads_to)
            else:
                await caller.send(
                    request(f"GET {link.path}?{link.query}").replace(b"gateway.test", host.encode())
                )
                assert (await caller.answer()).status == 200
            writer.close()
        assert [each.line for each in upstream.received][1] == "GET /v2/Services?Page=1 HTTP/1.1"
