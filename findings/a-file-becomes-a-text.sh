#!/bin/sh
# Seven form parsers of Python (PyPI), on one and the same upload whose name is not ASCII and stands in `filename*` alone, as in RFC 5987:
# `Content-Disposition: form-data; name="f"; filename*=UTF-8''na%C3%AFve.pdf`, Content-Type application/pdf.
#
# Guess: all take it for a file, since its type says so. RFC 7578 (4.2) forbids senders to use `filename*`, so some leave the file
# without a name.
#
# Seen: Django, Falcon, Sanic and aiohttp have a file with the right name. Starlette (and so FastAPI), Litestar and multipart have no file, but
# a text field with the decoded bytes of the PDF. With `filename=""` the camps change: Starlette then has a file, and Django a text.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check starlette==1.10.0 python-multipart==0.0.34 multipart==2.0.1 \
  litestar==2.25.0 sanic==25.12.1 falcon==4.4.0 aiohttp==3.14.5 Django==5.2.19 2>/dev/null
cat > run.py <<'PY'
import asyncio
import io

import django
import falcon
import falcon.testing
import multipart
import sanic.request.form
from aiohttp import MultipartReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from starlette.requests import Request

settings.configure(DEFAULT_CHARSET="utf-8")
django.setup()
TYPE = "multipart/form-data; boundary=X"


def environ(body):
    return {
        "REQUEST_METHOD": "POST", "CONTENT_TYPE": TYPE, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)
    }


def of_django(body):
    request = WSGIRequest(environ(body))
    return request.FILES["f"].name if "f" in request.FILES else None


def of_multipart(body):
    _, files = multipart.parse_form_data(environ(body))
    return files["f"].filename if "f" in files else None


def of_sanic(body):
    _, files = sanic.request.form.parse_multipart_form(body, b"X")
    return files["f"][0].name if "f" in files else None


def of_falcon(body):
    class Upload:
        def on_post(self, request, response):
            (response.media,) = [part.filename for part in request.get_media()]

    app = falcon.App()
    app.req_options.media_handlers["multipart/form-data"] = falcon.media.MultipartFormHandler()
    app.add_route("/", Upload())
    return falcon.testing.TestClient(app).simulate_post("/", body=body, headers={"Content-Type": TYPE}).json


async def of_starlette(body):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", TYPE.encode())]}
    return getattr((await Request(scope, receive).form())["f"], "filename", None)


async def of_litestar(body):
    from litestar._multipart import parse_multipart_form

    async def stream():
        yield body

    return getattr((await parse_multipart_form(stream(), b"X", 1000, {}))["f"], "filename", None)


async def of_aiohttp(body):
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), 65_536, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    return (await MultipartReader({"Content-Type": TYPE}, stream).next()).filename


PARSERS = of_django, of_falcon, of_sanic, of_aiohttp, of_starlette, of_litestar, of_multipart


async def main():
    for name in ("filename*=UTF-8''na%C3%AFve.pdf", 'filename=""'):
        print(name)
        for parser in PARSERS:
            head = f'--X\r\nContent-Disposition: form-data; name="f"; {name}\r\nContent-Type: application/pdf\r\n\r\n'
            found = parser(head.encode() + b"%PDF-1.7\r\n--X--\r\n")
            found = await found if asyncio.iscoroutine(found) else found
            print(" ", parser.__name__[3:], "text" if found is None else f"file {found!r}")


asyncio.run(main())
PY
venv/bin/python -W ignore run.py | tee seen
cat > want <<'END'
filename*=UTF-8''na%C3%AFve.pdf
  django file 'naïve.pdf'
  falcon file 'naïve.pdf'
  sanic file 'naïve.pdf'
  aiohttp file 'naïve.pdf'
  starlette text
  litestar text
  multipart text
filename=""
  django text
  falcon file ''
  sanic file ''
  aiohttp file ''
  starlette file ''
  litestar text
  multipart text
END
diff want seen
