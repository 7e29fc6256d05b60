#!/bin/sh
# sanic 25.12.1 and twilio 9.13.0: `request.form`, handed to Twilio's RequestValidator.
#
# Guess: `request.form` has what the caller sent; Sanic's form has `getlist`, which the validator looks for, so it works.
#
# Seen: fields without a value are missing from `request.form`, because it is read without `keep_blank_values`. Twilio sends
# and signs such fields (an unknown FromCity), so the check refuses real messages, depending on the sender's number. What
# `request.get_form(keep_blank_values=True)` returns passes.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 sanic==25.12.1 sanic-testing==24.6.0 2>/dev/null
cat > run.py <<'PY'
import asyncio
from urllib.parse import urlencode

from sanic import Request, Sanic
from sanic.response import HTTPResponse, text
from twilio.request_validator import RequestValidator

URL = "https://example.com/hook"
app = Sanic("hook", configure_logging=False)
validator = RequestValidator("a secret")


@app.post("/form")
async def form(request: Request) -> HTTPResponse:
    return text(str(validator.validate(URL, request.form, request.headers["x-twilio-signature"])))


@app.post("/get_form")
async def get_form(request: Request) -> HTTPResponse:
    read = request.get_form(keep_blank_values=True)
    return text(str(validator.validate(URL, read, request.headers["x-twilio-signature"])))


async def main() -> None:
    for fields in ({"Body": "hello", "FromCity": "BERLIN"}, {"Body": "hello", "FromCity": ""}):
        signature = validator.compute_signature(URL, fields)
        for path in ("/form", "/get_form"):
            headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
            _, response = await app.asgi_client.post(path, content=urlencode(fields), headers=headers)
            print(f"{path} FromCity={fields['FromCity']!r}: {response.text}")


asyncio.run(main())
PY
venv/bin/python run.py 2>err | tee seen
cat > expected <<'TXT'
/form FromCity='BERLIN': True
/get_form FromCity='BERLIN': True
/form FromCity='': False
/get_form FromCity='': True
TXT
diff expected seen || { cat err; exit 1; }
