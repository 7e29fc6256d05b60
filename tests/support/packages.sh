#!/bin/sh
# Makes sure of the programs that some tests drive. As root on Debian it installs what is missing; otherwise it
# says what will be skipped. With CI=true nothing may be missing.
set -eu

missing=""
for pair in curl:curl node:nodejs npm:npm wrk:wrk redis-server:redis-server openssl:openssl \
  chromium:chromium valgrind:valgrind promtool:prometheus systemd-analyze:systemd \
  php:php-cli ruby:ruby mcs:mono-mcs mono:mono-runtime go:golang-go dnsmasq:dnsmasq-base nginx:nginx-light javac:default-jdk-headless; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
php -m 2>/dev/null | grep -qx curl || missing="$missing php-curl"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Debian's packages:$missing"
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
elif [ "${CI:-}" = true ]; then
  echo "Missing in CI:$missing" >&2
  exit 1
else
  echo "Not installed, so the tests that drive them are skipped:$missing (Debian: apt-get install$missing)"
fi
