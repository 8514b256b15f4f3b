#!/bin/sh
# Runs the tests of wsgi-express (tests/express), with what setup/with-modules.sh has put into the environment.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/../tests/express"
PYTHONDONTWRITEBYTECODE=1 exec "$MOD_WSGI_PYTHON" -m unittest "$@"
