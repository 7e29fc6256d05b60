#!/bin/sh
# A script with curl: it knows neither a proxy nor the gateway.
set -eu
host=https://api.twilio.com
messages=/2010-04-01/Accounts/$TWILIO_ACCOUNT_SID/Messages

ask() {
  answer=$(curl -sS -w '\n%{http_code}' -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN" "$@")
  status=${answer##*
}
  body=${answer%
*}
  if [ "$status" -ge 400 ]; then
    printf '{"refused": %s, "message": "%s"}\n' "$status" "$(find_text message)"
    exit 3
  fi
}

find_text() {
  printf '%s' "$body" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}

first=
for number in 0 1 2 3 4; do
  ask "$host$messages.json" --data-urlencode To=+15005550006 --data-urlencode From=+15005550001 -d "Body=curl+$number"
  [ -n "$first" ] || first=$(find_text sid)
done
pages=0 listed=0 next="$messages.json?PageSize=2"
while [ -n "$next" ]; do
  ask "$host$next"
  pages=$((pages + 1))
  listed=$((listed + $(printf '%s' "$body" | grep -o '"body":' | wc -l)))
  next=$(find_text next_page_uri)
done
ask "$host$messages/$first.json" -d Body=
updated=$(find_text body)
ask -X DELETE "$host$messages/$first.json"
[ "$status" = 204 ] && deleted=true || deleted=false
ask "$OTHER_URL"
printf '{"pages": %s, "listed": %s, "updated": "%s", "deleted": %s, "other": "%s"}\n' \
  "$pages" "$listed" "$updated" "$deleted" "$body"
