#!/bin/sh
# twilio 9.13.0 (Python) and twilio 6.2.0 (npm): a message scheduled for noon in Berlin, and a list of what was sent since then, by
# moments that know their zone.
#
# Guess: a datetime with a zone is converted to UTC, as a Date is in JavaScript, or written with its offset; one without a zone is
# refused, or taken for UTC.
#
# Seen: Python's writes the hour that the clock shows in Berlin, and a Z behind it. The message goes out an hour late (in summer two,
# from New York five hours early), and a list begins at the wrong hour, without an error. With or without a zone makes no
# difference at all. Node's converts.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twilio==9.13.0 tzdata==2026.3 2>/dev/null
npm install --silent --no-audit --no-fund twilio@6.2.0 >/dev/null
cat > run.py <<'PY'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client


class Noting(TwilioHttpClient):
    """Answers all alike, and notes what time was sent."""

    def request(self, method, url, params=None, data=None, **_):
        self.sent = (data or {}).get("SendAt") or (params or {}).get("DateSent>")
        return Response(201 if data else 200, '{"messages": []}')


noting = Noting()
client = Client("AC" + "0" * 32, "token", http_client=noting)
for name, zone in {"UTC": UTC, "Berlin": ZoneInfo("Europe/Berlin"), "no zone": None}.items():
    noon = datetime(2026, 12, 1, 12, tzinfo=zone)
    client.messages.create(
        to="+15557122662", body="hi", messaging_service_sid="MG" + "0" * 32, schedule_type="fixed", send_at=noon
    )
    scheduled = noting.sent
    client.messages.list(date_sent_after=noon)
    print(f"Python, noon in {name}: scheduled for {scheduled}, listed from {noting.sent}", flush=True)
PY
cat > run.js <<'JS'
const twilio = require('twilio');

const noon = new Date('2026-12-01T12:00:00+01:00');
const sent = [];
const httpClient = {
  request: async ({ params, data }) => {
    sent.push((data || {}).SendAt || (params || {})['DateSent>']);
    return { statusCode: data ? 201 : 200, body: { messages: [] } };
  },
};

async function main() {
  const { messages } = twilio('AC' + '0'.repeat(32), 'token', { httpClient });
  const scheduled = { messagingServiceSid: 'MG' + '0'.repeat(32), scheduleType: 'fixed', sendAt: noon };
  await messages.create({ to: '+15557122662', body: 'hi', ...scheduled });
  await messages.list({ dateSentAfter: noon });
  console.log(`Node, noon in Berlin: scheduled for ${sent[0]}, listed from ${sent[1]}`);
}

main();
JS
{ venv/bin/python run.py; node run.js; } | tee seen
cat > want <<'END'
Python, noon in UTC: scheduled for 2026-12-01T12:00:00Z, listed from 2026-12-01T12:00:00Z
Python, noon in Berlin: scheduled for 2026-12-01T12:00:00Z, listed from 2026-12-01T12:00:00Z
Python, noon in no zone: scheduled for 2026-12-01T12:00:00Z, listed from 2026-12-01T12:00:00Z
Node, noon in Berlin: scheduled for 2026-12-01T11:00:00Z, listed from 2026-12-01T11:00:00Z
END
diff want seen
