#!/bin/sh
# Debian 12's bash 5.2.15, dash 0.5.12, mksh 59c, yash 2.52 and busybox 1.35: a file of settings to be read by `.` or `eval`, two lines
# of which are `export NAME="${KEY:?the caller's key}"`, with KEY set.
#
# Guess: within double quotes an apostrophe is a character like any other. If a shell saw it as a quotation mark, it would stop with a
# syntax error at the end of the file.
#
# Seen: to bash and yash it opens a quotation within the braces, which the apostrophe of the *next* such line closes: the second line
# is part of a message that is never shown. No error, and the variable is missing; with an odd number of such lines there is one. dash,
# mksh and busybox set all. A list of proxy variables made this way leads half of a company's clients, and a test by `sh` is green.
set -eu
command -v apt-get >/dev/null || { echo "needs Debian 12" >&2; exit 2; }
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; chmod 755 "$folder"; cd "$folder"
apt-get download -qq bash dash mksh yash busybox 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
cat > settings <<'END'
export HTTPS_PROXY="http://${KEY:?set it to the caller's key}@gateway:8080"
export https_proxy="http://${KEY:?set it to the caller's key}@gateway:8080"
END
for shell in bash dash mksh yash "busybox sh"; do
  path=$(find root -path "*bin/${shell%% *}" -type f | head -1)
  # shellcheck disable=SC2016
  names=$(KEY=key "$path" $(echo "$shell" | cut -s -d' ' -f2) -c '. ./settings; echo "${HTTPS_PROXY-none} ${https_proxy-none}"')
  echo "$shell: $names"
done | tee seen
cat > want <<'END'
bash: http://key@gateway:8080 none
dash: http://key@gateway:8080 http://key@gateway:8080
mksh: http://key@gateway:8080 http://key@gateway:8080
yash: http://key@gateway:8080 none
busybox sh: http://key@gateway:8080 http://key@gateway:8080
END
diff want seen
