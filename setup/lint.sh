#!/bin/sh
# Format, lints, that every script parses, that the documentation builds without a warning and no link of it leads nowhere, and
# what deny.toml says of dependencies. Nothing is changed.
#
# A tool that this machine does not have is named, and what it would check is left out: which toolchain a machine has is
# its owner's choice. `rustup component add rustfmt clippy` or Debian's packages of these names add two of them,
# `cargo install cargo-deny` the third.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."

has() {
  "$@" --version >/dev/null 2>&1 && return
  echo "lint: $* is not installed, what it checks is left out" >&2
  return 1
}

for script in setup/*.sh packaging/*.sh; do
  sh -n "$script"
done
bash -n .ci/run

# Both kinds of Python: what differs is behind cfg, and clippy sees one side at a time.
gil_python=$(PYTHON=/usr/bin/python3 setup/python.sh --quiet)
python=$(setup/python.sh --quiet)
find setup docs examples benches python tests \( -name '*.py' -o -name '*.wsgi' \) -exec "$python" -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        ast.parse(file.read(), path)
' {} +

setup/docs.sh >/dev/null

if has cargo fmt; then
  cargo fmt --check
fi

# With the settings of a release: what a build of the module has compiled before, bindgen above all, serves here too.
if has cargo clippy; then
  for each in "$python" "$gil_python"; do
    setup/cargo.sh "$each" clippy -q --release --all-targets -- -D warnings
  done
fi

if has cargo deny; then
  cargo deny --log-level error check bans licenses sources
  # The list of advisories is a repository of its own, which not every machine can reach.
  if timeout 60 cargo deny --log-level off fetch db 2>/dev/null; then
    cargo deny --log-level error check advisories
  else
    echo "lint: the list of advisories cannot be fetched, they are not checked" >&2
  fi
fi
