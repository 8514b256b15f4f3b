#!/bin/sh
# Tries the wheel as a newcomer does, on a fresh Debian that holds apache2 and nothing of this project.
#
#   packaging/try-wheel.sh bookworm|trixie [mod_wsgi_rs-*.whl]
#
# Without a wheel it is built first, by pip from the source distribution, in a system of that Debian that has compilers and
# headers and sees this machine's Rust toolchain; it is left in target/wheels. Then a system with apache2 alone gets its own
# python3 and the wheel in a virtual environment, and serves with wsgi-express. The time from the first command to the first
# page is printed; it must be below a minute. Needs root and mmdebstrap.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
suite=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
say() { echo "try-wheel: $*" >&2; }

if [ -n "${2:-}" ]; then
  wheel=$(realpath "$2")
else
  say "building the wheel in a system of $suite"
  "$here/build.sh" "$suite" wheel "$work/wheels"
  mkdir -p "$here/../target/wheels"
  cp "$work"/wheels/*.whl "$here/../target/wheels/"
  wheel=$(echo "$work"/wheels/*.whl)
fi
"$here/root.sh" "$suite" "$work/fresh" apache2

say "installing it on a system with apache2 alone"
cp "$wheel" "$work/fresh/tmp/"
cat >"$work/fresh/tmp/try.sh" <<'TRY'
set -eu
version=$(apt-cache depends python3 | sed -n 's/.*Depends: python\(3\.[0-9]*\)$/\1/p')
apt-get -qq install -y --no-install-recommends python3-venv "libpython$version" >/dev/null 2>&1
python3 -m venv /srv/site
/srv/site/bin/pip install -q --no-index /tmp/mod_wsgi_rs-*.whl
cat >/srv/app.wsgi <<'APP'
import sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"Python {sys.version.split()[0]} answers".encode()]
APP
/srv/site/bin/wsgi-express start-server /srv/app.wsgi --host 127.0.0.1 --port 8085 >/tmp/said 2>&1 &
server=$!
/srv/site/bin/python - <<'GET'
import time, urllib.request
for _ in range(300):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8085/", timeout=30).read().decode())
        break
    except OSError:
        time.sleep(0.1)
else:
    raise SystemExit(open("/tmp/said").read())
GET
date +%s.%N >/tmp/served
kill "$server"
wait "$server"
/srv/site/bin/wsgictl --version >/dev/null
/srv/site/bin/wsgi-express doctor /srv/app.wsgi >/tmp/doctor || { cat /tmp/doctor; exit 1; }
# Without the library the command says what to install, and httpd is not started.
apt-get -qq remove -y "libpython$version" >/dev/null 2>&1
if /srv/site/bin/wsgi-express start-server /srv/app.wsgi >/tmp/said 2>&1; then exit 1; fi
grep -q "apt install libpython$version" /tmp/said || { cat /tmp/said; exit 1; }
TRY
# The lists of packages are there before, as on any machine in use.
"$here/in-root.sh" "$work/fresh" apt-get -qq update
began=$(date +%s.%N)
"$here/in-root.sh" "$work/fresh" sh /tmp/try.sh
seconds=$(echo "$(cat "$work/fresh/tmp/served") - $began" | awk '{ printf "%.1f", $1 - $3 }')
say "on $suite: installed and serving in $seconds s"
awk "BEGIN { exit !($seconds < 60) }"
