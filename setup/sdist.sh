#!/bin/sh
# Builds the source distribution, from which pip makes a wheel on a machine with cargo, clang and httpd's headers, and
# prints its path.
#
#   setup/sdist.sh /path/to/python3 [directory]     the directory is target/wheels if not given
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$1
cd "$here/.."
directory=$(realpath -m "${2:-target/wheels}")

builder=$("$here/venv.sh" "$python" "$here/wheel-requirements.txt")
# A copy: setuptools writes its notes beside the sources, and takes files from notes of an earlier time.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r --parents Cargo.toml Cargo.lock build.rs LICENSE README.md CHANGELOG.md MANIFEST.in pyproject.toml src apache-conf \
  python setup/backend.py tests/main.rs tests/daemon_same_requests.rs "$work/"
rm -rf "$work/python/mod_wsgi_rs.egg-info"
mkdir -p "$directory"
cd "$work"
name=$("$builder/bin/python" -c '
import sys
sys.path.insert(0, "setup")
import contextlib, backend
with contextlib.redirect_stdout(sys.stderr):
    name = backend.build_sdist(sys.argv[1])
print(name)
' "$directory" 2>"$work/log") || { tail -n 30 "$work/log" >&2; exit 1; }
echo "$directory/$name"
