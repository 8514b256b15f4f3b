#!/bin/sh
# Builds mod_wsgi.so for the given Python and prints its path.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$1

"$here/cargo.sh" "$python" build --release >&2
target=$("$here/cargo.sh" "$python" --print-target)
built="$target/release/libmod_wsgi.so"
module="$target/mod_wsgi.so"
# Under another name first: a server may have the old file mapped.
if ! cmp -s "$built" "$module"; then
  cp "$built" "$module.new"
  mv "$module.new" "$module"
fi
echo "$module"
