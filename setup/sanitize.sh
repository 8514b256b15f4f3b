#!/bin/sh
# Runs unit tests under the thread sanitizer and the address sanitizer of the installed compiler: those of what threads and
# processes share. Arguments are given to the tests, e.g. a name. See docs/sanitizers.md.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$("$here/python.sh")
host=$(rustc -vV | sed -n 's/^host: //p')
[ $# -gt 0 ] || set -- wsgi:: daemon:: python::loan metrics::slot observe::

# The switch is for nightly compilers; this has a stable one take it. Nothing that is installed is built like this.
export RUSTC_BOOTSTRAP=1
# The interpreter is not instrumented: what it allocates and never frees is not a leak of ours.
export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS-}"
export TSAN_OPTIONS="suppressions=$here/sanitize.tsan history_size=4 ${TSAN_OPTIONS-}"
for sanitizer in thread address; do
  echo "sanitizer: $sanitizer"
  CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/../target}/sanitize-$sanitizer" RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer" \
    "$here/cargo.sh" "$python" test --target "$host" --lib -- "$@"
done
