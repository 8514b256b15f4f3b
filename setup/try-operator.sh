#!/bin/sh
# Runs the trials of tests/operator: the module with a real HAProxy, Prometheus and chromium, and its counters against the
# access log. Takes some minutes. Needs root, or the packages haproxy, prometheus, chromium, pngquant and wrk.
#
#   setup/try-operator.sh [requests for the counters]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."

PACKAGES="haproxy prometheus chromium fonts-dejavu-core pngquant wrk"
# shellcheck disable=SC2086  # a list of words
if ! dpkg-query -W $PACKAGES >/dev/null 2>&1; then
  # shellcheck disable=SC2086  # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $PACKAGES >&2
fi

MOD_WSGI_MODULE=$(setup/build.sh "$(setup/python.sh)")
export MOD_WSGI_MODULE
failed=
try() {
  echo "== $*"
  python3 "tests/operator/$@" || failed="$failed $1"
}
try haproxy.py
try prometheus.py
try blocked.py
try flood.py
try screenshots.py docs/screenshots
try exact.py "${1:-100000}"
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
