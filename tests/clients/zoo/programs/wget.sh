# wget. It obeys the proxy variables; the CA is a setting of its own.
set -eu
host=${BASE:-https://api.twilio.com} path=/2010-04-01/Accounts/$ACCOUNT/Messages.json
ask() { wget -q -O - --ca-certificate="$ROOT" --auth-no-challenge --user="$ACCOUNT" --password="$PASSWORD" "$@"; }
made=$(ask --post-data "To=%2B15005550009&From=%2B15005550006&Body=$(printf %s "$TEXT" | sed 's/ /+/g')" "$host$path")
listed=$(ask "$host$path?PageSize=5")
sid=$(printf %s "$made" | sed -n 's/.*"sid": *"\(..\).*/\1/p')
case $listed in *"\"$TEXT\""*) own=true ;; *) own=false ;; esac
printf '{"sid": "%s", "listed": %s, "own": %s}\n' "$sid" "$(printf %s "$listed" | grep -o '"body":' | wc -l)" "$own"
