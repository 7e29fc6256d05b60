#!/bin/sh
# falcon 4.4.0 and twilio 9.13.0: the form that Falcon's media handler reads, handed to Twilio's RequestValidator.
#
# Guess: it works like the forms of Flask, Django and Starlette, or fails for every webhook, so that a first try shows it.
#
# Seen: it works until a form repeats a field. `get_media()` returns a plain dict with a text where a name occurs once and
# a list where it occurs more often, and the validator does not return False then: it raises TypeError, so the service
# answers 500. Every webhook of one picture or none passes all tests.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 falcon==4.4.0 multidict==6.9.1 2>/dev/null
cat > run.py <<'PY'
from urllib.parse import urlencode

import falcon
import falcon.testing
from multidict import MultiDict
from twilio.request_validator import RequestValidator

URL = "https://example.com/hook"
validator = RequestValidator("a secret")


class Hook:
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        form = request.get_media()
        shape = {name: type(value).__name__ for name, value in form.items()}
        try:
            verdict = str(validator.validate(URL, form, request.get_header("X-Twilio-Signature")))
        except TypeError as error:
            verdict = f"TypeError: {error}"
        response.media = {"shape": shape, "verdict": verdict}


app = falcon.App()
app.add_route("/hook", Hook())
client = falcon.testing.TestClient(app)
for fields in ([("Body", "hello"), ("MediaUrl", "a")], [("Body", "hello"), ("MediaUrl", "a"), ("MediaUrl", "b")]):
    signature = validator.compute_signature(URL, MultiDict(fields))
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    answer = client.simulate_post("/hook", body=urlencode(fields), headers=headers).json
    print(len(fields), answer["shape"], answer["verdict"])
PY
venv/bin/python run.py | tee seen
cat > expected <<'TXT'
2 {'Body': 'str', 'MediaUrl': 'str'} True
3 {'Body': 'str', 'MediaUrl': 'list'} TypeError: unhashable type: 'list'
TXT
diff expected seen
