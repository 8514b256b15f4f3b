#!/bin/sh
# Runs all tests. Arguments are given to each run of cargo test, e.g. --no-fail-fast.
#
# Most tests wait for a server most of the time, so three runs go side by side, each with more threads than there are
# cores: those that wait longest (for time limits, and for processes to end) and one that makes the three alike in length,
# those of daemon mode, and the others. What the first two say is shown when the others are through.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo() { "$here/cargo.sh" "$MOD_WSGI_PYTHON" test "$@"; }

waiting="" daemons="" others=""
for file in "$here"/../tests/*.rs; do
	name=$(basename "$file" .rs)
	case $name in
	restarts | handler_scripts | daemon_limits | daemon_restarts | daemon_supervisor) waiting="$waiting --test $name" ;;
	daemon*) daemons="$daemons --test $name" ;;
	*) others="$others --test $name" ;;
	esac
done

cargo --no-run
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
export RUST_TEST_THREADS=3
# shellcheck disable=SC2086 # Words of options.
{
	cargo "$@" $waiting >"$said/waiting" 2>&1 &
	of_waiting=$!
	cargo "$@" $daemons >"$said/daemons" 2>&1 &
	of_daemons=$!
	status=0
	cargo "$@" --lib $others || status=$?
}
wait "$of_waiting" || status=$?
wait "$of_daemons" || status=$?
cat "$said/waiting" "$said/daemons"
exit "$status"
