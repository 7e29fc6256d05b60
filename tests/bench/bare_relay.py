"""The yardstick: the least that an aiohttp relay can be, and fixed. Improving it would void every figure.

One `web.Server`, one `ClientSession`, uvloop, the C parser. It forwards method, path, header fields less
hop-by-hop and the body as bytes, and relays status, fields and body. No policy, credential, log or metric.
`python -m tests.bench.bare_relay UPSTREAM [--port N]` prints its URL and serves until it is ended. With
`--stream` it passes an answer's body on piece by piece, as a relay of large answers has to.
"""

import argparse
import asyncio

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


async def serve(upstream: str, port: int, *, streams: bool) -> None:
    """Serve for ever."""
    session = ClientSession(
        connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), auto_decompress=False
    )

    async def relay(request: web.BaseRequest) -> web.StreamResponse:
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP
        )
        async with session.request(
            request.method,
            URL(upstream + request.raw_path, encoded=True),
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            fields = CIMultiDict(
                (name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP
            )
            if not streams:
                return web.Response(status=answer.status, headers=fields, body=await answer.read())
            response = web.StreamResponse(status=answer.status, headers=fields)
            response.content_length = answer.content_length
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(relay, access_log=None), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stream", action="store_true")
    args = parser.parse_args()
    uvloop.run(serve(args.upstream, args.port, streams=args.stream))


if __name__ == "__main__":
    main()
