#!/bin/sh
# Runs all tests. Arguments are given to each run of cargo test, e.g. --no-fail-fast.
#
# Most tests wait for a server most of the time: there are more threads than cores. Three runs go side by side, since those
# of unit tests with the tests that are run again, and of wsgi-express, are short: what they say is shown when the longest
# one is through.
#
# Up to three tests that fail are run once more when the machine has nothing else to do, as CPython's test runner does with
# --rerun. One that passes then is named as unsteady; it is still a fault to be found, in the test or in the module.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo() { "$here/cargo.sh" "$MOD_WSGI_PYTHON" test "$@"; }

# The names of the tests that failed, as a run wrote them to a file.
failed() { sed -n 's/^test \([^ ]*\)\( - should panic\)\{0,1\} \.\.\. FAILED$/\1/p' "$1" | sort -u; }

# again PROGRAM FILE: whether what failed of a test program, as its output in FILE says, was little, and passes now.
again() {
  names=$(failed "$2")
  count=$(echo "$names" | grep -c . || true)
  if [ "$count" -eq 0 ] || [ "$count" -gt 3 ]; then return 1; fi
  # shellcheck disable=SC2086 # names of tests hold no spaces
  RUST_TEST_THREADS=1 cargo $1 -- --exact $names || return 1
  echo "$names" | sed 's/^/unsteady: failed beside the others, passed by itself: /' >>"$unsteady"
}

cargo --no-run
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
unsteady="$logs/unsteady"
: >"$unsteady"
run() { name=$1; shift; "$@" >"$logs/$name" 2>&1 || echo "$?" >"$logs/$name.failed"; }
{
  export RUST_TEST_THREADS=2
  run unit cargo "$@" --lib --bins
  run daemons cargo "$@" --test daemon_same_requests
} &
short=$!
run express "$here/test-express.sh" &
express=$!
export RUST_TEST_THREADS=8
{ cargo "$@" --test server 2>&1 || echo "$?" >"$logs/server.failed"; } | tee "$logs/server"
wait "$short" "$express"
cat "$logs/unit" "$logs/daemons" "$logs/express"

status=0
again_if_failed() {
  if [ -e "$logs/$1.failed" ]; then again "$2" "$logs/$1" || status=1; fi
}
again_if_failed unit "--lib --bins"
again_if_failed server "--test server"
again_if_failed daemons "--test daemon_same_requests"
if [ -e "$logs/express.failed" ]; then status=1; fi
cat "$unsteady"
exit "$status"
