#!/bin/sh
# Debian's packages that only the zoo runs. As root it installs what is missing; otherwise it says what is.
set -eu
missing=""
for package in php-symfony-twilio-notifier php-symfony-http-client erlang-base erlang-inets erlang-ssl wget perl \
  libwww-perl liblwp-protocol-https-perl libio-socket-ssl-perl libhttpclient-java libnss-wrapper; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  echo "Not installed, so these clients will fail:$missing" >&2
fi
