#!/bin/sh
# Runs all tests. Arguments are given to each run of cargo test, e.g. --no-fail-fast.
#
# Most tests wait for a server most of the time: there are more threads than cores. Two runs go side by side, since those
# of unit tests and of the tests that are run again are short: what they say is shown when the other one is through.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo() { "$here/cargo.sh" "$MOD_WSGI_PYTHON" test "$@"; }

cargo --no-run
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
RUST_TEST_THREADS=2 cargo "$@" --lib --test daemon_same_requests >"$said" 2>&1 &
short=$!
RUST_TEST_THREADS=8 cargo "$@" --test server || status=$?
wait "$short" || status=$?
cat "$said"
exit "$status"
