#!/bin/sh
# Format, lints, and that every script parses. Nothing is changed.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."

for script in setup/*.sh; do
  sh -n "$script"
done
bash -n .ci/run

# Both kinds of Python: what differs is behind cfg, and clippy sees one side at a time.
gil_python=$(PYTHON=/usr/bin/python3 setup/python.sh)
python=$(setup/python.sh)
find setup examples benches python tests/express \( -name '*.py' -o -name '*.wsgi' \) -exec "$python" -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        ast.parse(file.read(), path)
' {} +

cargo fmt --check
setup/cargo.sh "$python" clippy -q --all-targets -- -D warnings
setup/cargo.sh "$gil_python" clippy -q --all-targets -- -D warnings
