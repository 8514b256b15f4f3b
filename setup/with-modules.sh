#!/bin/sh
# Runs a command with what tests and benchmarks need to know in its environment, making it first where it is missing:
#
#   MOD_WSGI_MODULE, MOD_WSGI_PYTHON           the built mod_wsgi.so and the interpreter it was built against
#   MOD_WSGI_GIL_MODULE, MOD_WSGI_GIL_PYTHON   the same for Debian's python3, which has a GIL
#   MOD_WSGI_VENV                              a virtual environment with tests/requirements.txt
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tests="$here/../tests"

MOD_WSGI_PYTHON=$("$here/python.sh" --quiet)
MOD_WSGI_GIL_PYTHON=$(PYTHON=/usr/bin/python3 "$here/python.sh" --quiet)
# Side by side: linking a release takes most of the time, and one core.
gil_module=$(mktemp)
"$here/build.sh" "$MOD_WSGI_GIL_PYTHON" >"$gil_module" &
gil_build=$!
MOD_WSGI_MODULE=$("$here/build.sh" "$MOD_WSGI_PYTHON")
wait "$gil_build"
MOD_WSGI_GIL_MODULE=$(cat "$gil_module")
rm -f "$gil_module"
MOD_WSGI_VENV=$("$here/venv.sh" "$MOD_WSGI_PYTHON" "$tests/requirements.txt" "$tests/requirements-if-wheel.txt")
export MOD_WSGI_PYTHON MOD_WSGI_MODULE MOD_WSGI_GIL_PYTHON MOD_WSGI_GIL_MODULE MOD_WSGI_VENV
exec "$@"
