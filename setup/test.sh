#!/bin/sh
# Runs all tests. Arguments are given to both runs of cargo test, e.g. --no-fail-fast.
#
# Most tests wait for a server most of the time, so those of daemon mode run beside the others, and each run has more
# threads than there are cores. What the daemon tests say is shown when the others are through.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo() { "$here/cargo.sh" "$MOD_WSGI_PYTHON" test "$@"; }

cargo --no-run
said=$(mktemp)
trap 'rm -f "$said"' EXIT
RUST_TEST_THREADS=3 cargo "$@" --test 'daemon*' >"$said" 2>&1 &
daemons=$!
status=0
RUST_TEST_THREADS=3 cargo "$@" --lib --test '[!d]*' || status=$?
wait "$daemons" || status=$?
cat "$said"
exit "$status"
