#!/bin/sh
# Runs cargo for one Python: setup/cargo.sh /path/to/python3.13t build --release
#
# Each Python has a target folder of its own, named by its ABI, so that two of
# them do not rebuild each other. With --print-target it prints that folder.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."

python=$1
shift
abi=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))')
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")/$abi"
if [ "${1:-}" = --print-target ]; then
  echo "$target"
  exit 0
fi
PYO3_PYTHON=$python CARGO_TARGET_DIR=$target exec cargo "$@"
