#!/bin/sh
# Runs unit tests of what threads and processes share under the thread sanitizer and the address sanitizer of the installed
# compiler. Arguments are names of tests, as cargo test takes them. See docs/sanitizers.md.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$("$here/python.sh" --quiet)
host=$(rustc -vV | sed -n 's/^host: //p')
[ $# -gt 0 ] || set -- python::loan metrics:: wire::table wire::channel observe::

# The switches are for nightly compilers; this has a stable one take them. The standard library is not built for the
# sanitizer, which the compiler wants to be told.
export RUSTC_BOOTSTRAP=1
# Python is not built for it either: what it never frees is no leak of ours.
export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS-}"
export TSAN_OPTIONS="suppressions=$here/sanitize.tsan ${TSAN_OPTIONS-}"
targets=$(realpath -m "${CARGO_TARGET_DIR:-$here/../target}")
for sanitizer in thread address; do
  echo "sanitizer: $sanitizer"
  CARGO_TARGET_DIR="$targets/sanitize-$sanitizer" \
    RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer" \
    "$here/cargo.sh" "$python" test --target "$host" --lib -- "$@"
done
