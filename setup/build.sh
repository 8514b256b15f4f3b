#!/bin/sh
# Builds mod_wsgi.so and, beside it, wsgictl for the given Python, and prints the path of the module.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$1

"$here/cargo.sh" "$python" build --release >&2
target=$("$here/cargo.sh" "$python" --print-target)
module="$target/mod_wsgi.so"
# Under another name first: a server may have the old file mapped.
copy() {
  if ! cmp -s "$1" "$2"; then
    cp "$1" "$2.new"
    mv "$2.new" "$2"
  fi
}
copy "$target/release/libmod_wsgi.so" "$module"
copy "$target/release/wsgictl" "$target/wsgictl"
echo "$module"
