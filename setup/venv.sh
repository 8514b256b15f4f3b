#!/bin/sh
# Makes a virtual environment with what a requirements file lists, below the
# prefix, and prints its path.
#
#   setup/venv.sh /path/to/python3.13t requirements.txt [if-wheel.txt]
#
# The requirements of the second file are each installed only if there is a
# ready-made wheel for this Python; what has none is left out, and named.
# The environment is found again by the interpreter and the files' contents.
set -eu
umask 022 # httpd's children read it as another user

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=$("$here/prefix.sh")
python=$1
requirements=$2
if_wheel=${3:-/dev/null}

say() { echo "setup: $*" >&2; }

version=$("$python" -c 'import sys, sysconfig; print(sys.version, sysconfig.get_config_var("SOABI"))')
key=$({ echo "$python $version"; cat "$requirements" "$if_wheel"; } | sha256sum | cut -c 1-12)
venv="$prefix/venvs/$key"
done="$venv/complete"
if [ -e "$done" ]; then
  echo "$venv"
  exit 0
fi

mkdir -p "$prefix/venvs"
exec 9>"$venv.lock"
flock 9
if [ -e "$done" ]; then
  echo "$venv"
  exit 0
fi

say "making the virtual environment $venv for $requirements"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Debian's pip is too old to run under the newest Pythons, and a Python built from source has none: the old one fetches
# a present one, which runs from its wheel.
/usr/bin/python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$work" pip >&2
pip=$(echo "$work"/pip-*.whl)
rm -rf "$venv"
"$python" -m venv --without-pip "$venv" >&2
install_with_pip() {
  "$venv/bin/python" "$pip/pip" install -q --disable-pip-version-check --root-user-action ignore "$@" >&2
}
install_with_pip -r "$requirements"
sed -e 's/ *#.*//' -e '/^$/d' "$if_wheel" | while read -r requirement; do
  install_with_pip --only-binary :all: "$requirement" || say "left out, no wheel for this Python: $requirement"
done
: >"$done"
echo "$venv"
