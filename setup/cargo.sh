#!/bin/sh
# Runs cargo for one Python: setup/cargo.sh /path/to/python3.13t build --release
#
# Each Python has a target directory of its own, named by its ABI, so that two of
# them do not rebuild each other. With --print-target it prints that directory.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."

python=$1
shift
abi=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))')
case $abi in
  # pyo3 0.29 and later refuse this Python, in a check of their build script and nowhere else: 3.14t is where CPython itself
  # calls free threads supported. What pyo3 does not promise for it, this project's tests do.
  cpython-313t-*) export UNSAFE_PYO3_SKIP_VERSION_CHECK=1 ;;
  *) unset UNSAFE_PYO3_SKIP_VERSION_CHECK ;;
esac
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")/$abi"
if [ "${1:-}" = --print-target ]; then
  echo "$target"
  exit 0
fi

# A reference that a detached thread drops would wait in pyo3's pool for the next thread that attaches, in whichever
# interpreter that is. There is no pool: such a reference is a fault. Under test it ends the process; a server loses the
# object's memory and serves on.
flags="--cfg pyo3_disable_reference_pool"
case " $* " in
  *" --release "*) flags="$flags --cfg pyo3_leak_on_drop_without_reference_pool" ;;
esac
export RUSTFLAGS="${RUSTFLAGS-} $flags"
PYO3_PYTHON=$python CARGO_TARGET_DIR=$target exec cargo "$@"
