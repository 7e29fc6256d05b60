#!/bin/sh
# twilio 9.13.0 (Python) and twilio 6.2.0 (npm): signatures of webhooks whose URL ends in a question mark.
#
# Guess: a validator accepts what the same class signs, and both SDKs agree on any URL, since the signed text is the URL
# as Twilio called it.
#
# Seen: both compute the same signature for `https://example.com/hook?`, and Node accepts it. Python's `validate` refuses
# the signature that its own `compute_signature` has just made: it takes the URL apart and puts it together again to try
# it with and without a port, and an empty query loses its question mark on the way. With `?a=` all agree.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 2>/dev/null
npm install --silent --no-audit --no-fund twilio@6.2.0 >/dev/null
cat > run.py <<'PY'
import subprocess

from twilio.request_validator import RequestValidator

validator = RequestValidator("a secret")
for url in ("https://example.com/hook", "https://example.com/hook?", "https://example.com/hook?a="):
    signature = validator.compute_signature(url, {"From": "+15005550001"})
    script = (
        f"console.log(require('twilio').validateRequest('a secret', {signature!r}, {url!r}, {{From: '+15005550001'}}))"
    )
    node = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{url}: Python {validator.validate(url, {'From': '+15005550001'}, signature)}, Node {node}")
PY
venv/bin/python run.py | tee seen
cat > expected <<'TXT'
https://example.com/hook: Python True, Node true
https://example.com/hook?: Python False, Node true
https://example.com/hook?a=: Python True, Node true
TXT
diff expected seen
