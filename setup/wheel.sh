#!/bin/sh
# Builds the wheel of the Python distribution for the given Python, checks it and prints its path.
#
#   setup/wheel.sh /path/to/python3.13t [directory]     the directory is target/wheels if not given
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$1
cd "$here/.."
directory=$(realpath -m "${2:-target/wheels}")

builder=$("$here/venv.sh" "$python" "$here/wheel-requirements.txt")
# The same build that tests use: cargo.sh names its target directory, and setup/backend.py has the flags.
CARGO_TARGET_DIR=$("$here/cargo.sh" "$python" --print-target)
export CARGO_TARGET_DIR
new=$(mktemp -d)
trap 'rm -rf "$new" build python/mod_wsgi_rs.egg-info' EXIT
"$builder/bin/python" -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w "$new" . >&2
wheel=$(cd "$new" && echo *.whl)
"$python" "$here/check_wheel.py" "$new/$wheel" >&2
mkdir -p "$directory"
mv "$new/$wheel" "$directory/$wheel"
echo "$directory/$wheel"
