#!/bin/sh
# Builds the wheel of the Python distribution for the given Python and prints its path.
#
#   setup/wheel.sh /path/to/python3.13t [directory]     the directory is target/wheels if not given
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$1
cd "$here/.."
directory=$(realpath -m "${2:-target/wheels}")

builder=$("$here/venv.sh" "$python" "$here/wheel-requirements.txt")
# The same build that tests use: cargo.sh names its target directory and sets what pyo3 needs for this Python.
CARGO_TARGET_DIR=$("$here/cargo.sh" "$python" --print-target)
export CARGO_TARGET_DIR
if "$python" -c 'import sys, sysconfig; sys.exit(not (sys.version_info < (3, 14) and sysconfig.get_config_var("Py_GIL_DISABLED")))'; then
  # See setup/cargo.sh.
  export UNSAFE_PYO3_SKIP_VERSION_CHECK=1
fi
# As setup/cargo.sh has it for a release.
export RUSTFLAGS="${RUSTFLAGS-} --cfg pyo3_disable_reference_pool --cfg pyo3_leak_on_drop_without_reference_pool"
new=$(mktemp -d)
trap 'rm -rf "$new" build python/mod_wsgi_rs.egg-info' EXIT
"$builder/bin/python" -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w "$new" . >&2
wheel=$(cd "$new" && echo *.whl)
mkdir -p "$directory"
mv "$new/$wheel" "$directory/$wheel"
echo "$directory/$wheel"
