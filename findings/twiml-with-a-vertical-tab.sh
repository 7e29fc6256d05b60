#!/bin/sh
# twilio 9.13.0 (Python) and twilio 6.2.0 (npm): TwiML from a text with U+000B, which word processors and customer databases
# keep for a line break within a paragraph, and from one with a carriage return.
#
# Guess: what builds XML escapes or drops what XML cannot hold, or refuses it where it is put in; both SDKs alike, and whatever
# `str(response)` gives can be parsed.
#
# Seen: XML 1.0 has no way to write U+000B. Python's SDK writes it as it is, without an error: no parser reads that answer, and
# Twilio would end the call over it. Node's throws in `message()`. A carriage return is lost in Python's (it is
# written raw, which parsers read as a line feed), and kept in Node's, which writes `&#xD;`.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 2>/dev/null
npm install --silent --no-audit --no-fund twilio@6.2.0 >/dev/null
cat > run.py <<'PY'
import sys
from xml.etree import ElementTree

from twilio.twiml.messaging_response import MessagingResponse


def read(xml: str) -> str:
    try:
        return ascii(ElementTree.fromstring(xml.encode())[0].text)
    except ElementTree.ParseError as error:
        return f"unreadable, {str(error).split(':')[0]}"


for name, text in {"tab": "Main St 1\vBerlin", "return": "Main St 1\rBerlin"}.items():
    response = MessagingResponse()
    response.message(text)
    print(f"{name}: Python's {read(str(response))}", flush=True)
for line in sys.stdin:
    name, _, xml = line.rstrip("\n").partition(" ")
    print(f"{name}: Node's {read(xml) if xml.startswith('<') else xml}")
PY
cat > run.js <<'JS'
const { twiml } = require('twilio');

for (const [name, text] of Object.entries({ tab: 'Main St 1\vBerlin', return: 'Main St 1\rBerlin' })) {
  const response = new twiml.MessagingResponse();
  try {
    response.message(text);
    console.log(name, response.toString());
  } catch (error) {
    console.log(name, `throws, ${error.message.split(':')[0]}`);
  }
}
JS
node run.js | venv/bin/python run.py | tee seen
cat > want <<'END'
tab: Python's unreadable, not well-formed (invalid token)
return: Python's 'Main St 1\nBerlin'
tab: Node's throws, Invalid character in string
return: Node's 'Main St 1\rBerlin'
END
diff want seen
