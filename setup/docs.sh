#!/bin/sh
# Builds the documentation as a web site and prints the path of its first page. Needs no Rust and no httpd: python3 (3.11 or
# later) with venv and pip, and a package index for the first time (docs/requirements.txt).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."

# Not the Python of the module: Sphinx needs no certain one.
venv=$("$here/venv.sh" "$(command -v python3)" docs/requirements.txt)
exec "$venv/bin/python" docs/build.py target/docs
