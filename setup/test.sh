#!/bin/sh
# Runs all tests. Arguments are given to each run of cargo test, e.g. --no-fail-fast.
#
# Most tests wait for a server most of the time: there are more threads than cores. Three runs go side by side, since those
# of unit tests with the tests that are run again, and of wsgi-express, are short: what they say is shown when the longest
# one is through.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo() { "$here/cargo.sh" "$MOD_WSGI_PYTHON" test "$@"; }

cargo --no-run
said=$(mktemp)
trap 'rm -f "$said" "${said_of_express:-}"' EXIT
status=0
RUST_TEST_THREADS=2 cargo "$@" --lib --test daemon_same_requests >"$said" 2>&1 &
short=$!
said_of_express=$(mktemp)
"$here/test-express.sh" >"$said_of_express" 2>&1 &
express=$!
RUST_TEST_THREADS=8 cargo "$@" --test server || status=$?
wait "$short" || status=$?
wait "$express" || status=$?
cat "$said" "$said_of_express"
exit "$status"
