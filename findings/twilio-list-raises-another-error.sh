#!/bin/sh
# twilio 9.13.0 (Python): a service wraps its calls in `except TwilioRestException`, as the README of the SDK shows it.
#
# Guess: a 403 raises it from every call alike; it has `status` and `code`.
#
# Seen: create, fetch and delete raise it. list() and stream() do not: they raise its parent, TwilioException, without
# `status` and `code`. The answer is the second of `args`, where the words of the server are in `text`.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 2>/dev/null
cat > run.py <<'PY'
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client


class Refusing(TwilioHttpClient):
    def request(self, *args: object, **kwargs: object) -> Response:
        return Response(403, '{"status": 403, "code": 20403, "message": "not for you"}')


messages = Client("AC" + "0" * 32, "token", http_client=Refusing()).messages
calls = {
    "create": lambda: messages.create(to="+15005550006", from_="+15005550001", body="hello"),
    "fetch": lambda: messages("SM" + "0" * 32).fetch(),
    "delete": lambda: messages("SM" + "0" * 32).delete(),
    "list": lambda: messages.list(limit=1),
    "stream": lambda: next(messages.stream(limit=1)),
}
for name, call in calls.items():
    try:
        call()
    except TwilioRestException as error:
        print(name, "TwilioRestException", error.status, error.code)
    except TwilioException as error:
        print(name, type(error).__name__, getattr(error, "status", None), getattr(error, "code", None), error.args[1].status_code)
PY
venv/bin/python run.py | tee seen
cat > expected <<'TXT'
create TwilioRestException 403 20403
fetch TwilioRestException 403 20403
delete TwilioRestException 403 20403
list TwilioException None None 403
stream TwilioException None None 403
TXT
diff expected seen
