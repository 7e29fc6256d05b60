#!/bin/sh
# apprise 2.3.0: `twilio://…@SENDER/RECIPIENT` with a recipient that it cannot read as a phone number, such as the name of a group
# or a local number without its area code, beside one that it can.
#
# Guess: the address is refused when it is added, or the notification fails; if it skips what it cannot read, then it says so
# with the status of a partial failure, which Apprise 2 has.
#
# Seen: the recipient is dropped, and if no other is left, the alert is sent to the sender's own number, as if no recipient had
# been named: a text from a number to itself, which nobody reads, and the result is SUCCESS. With another recipient beside it
# the result is SUCCESS, too.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check apprise==2.3.0 2>/dev/null
cat > run.py <<'PY'
import apprise
import requests

sent = []


class Created:
    status_code, content, text = 201, b"{}", "{}"


def post(url, data=None, **_):
    sent.append((data["From"], data["To"]))
    return Created()


requests.post = post  # the only thing that leaves the process: what it would have sent to api.twilio.com
for recipients in ("15557122662", "ops-team", "5550100", "ops-team/15557122662"):
    sent.clear()
    notifier = apprise.Apprise()
    added = notifier.add(f"twilio://AC{'0' * 32}:{'t' * 32}@15557122661/{recipients}")
    result = notifier.notify(body="disk full")
    print(f"{recipients}: added {added}, {result!r}, sent {sent}")
PY
venv/bin/python run.py 2>/dev/null | tee seen
cat > want <<'END'
15557122662: added True, <AppriseResult status='SUCCESS' count=1>, sent [('+15557122661', '+15557122662')]
ops-team: added True, <AppriseResult status='SUCCESS' count=1>, sent [('+15557122661', '+15557122661')]
5550100: added True, <AppriseResult status='SUCCESS' count=1>, sent [('+15557122661', '+15557122661')]
ops-team/15557122662: added True, <AppriseResult status='SUCCESS' count=1>, sent [('+15557122661', '+15557122662')]
END
diff want seen
