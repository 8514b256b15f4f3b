#!/bin/sh
# Builds the wheel or the Debian package for the python3 of a Debian release, in a fresh system of that release that sees this
# machine's Rust toolchain, and leaves it in a directory. Called by try-wheel.sh and try-deb.sh.
#
#   packaging/build.sh SUITE wheel|deb DIRECTORY
#
# The wheel is made by pip from the source distribution. Needs root and mmdebstrap.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
suite=$1
what=$2
result=$(realpath -m "$3")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM
"$here/root.sh" "$suite" "$root" \
  apache2-dev,build-essential,libclang-dev,pkg-config,python3-dev,python3-venv,debhelper,dpkg-dev
mkdir -p "$result" "$root/work"
cd "$here/.."
"$here/../setup/sdist.sh" "$("$here/../setup/python.sh" --quiet)" "$root/work" >/dev/null
cp setup/check_wheel.py "$root/work/"
tar -c --exclude=./target --exclude=./.git --exclude=__pycache__ . | tar -x -C "$root/work"
if [ -z "${DEBEMAIL:-}" ]; then DEBEMAIL=$(git log -1 --format='%an <%ae>'); fi
export DEBEMAIL
cat >"$root/work/make.sh" <<'MAKE'
set -eu
export PATH="/rust/bin:$PATH" CARGO_HOME=/cargo DEBEMAIL="$2"
case $1 in
  wheel)
    python3 -m venv /venv
    /venv/bin/python -m pip wheel -q --no-deps -w /result /work/mod_wsgi_rs-*.tar.gz
    /venv/bin/python /work/check_wheel.py /result/*.whl
    ;;
  deb)
    cd /work
    cp "$(setup/deb.sh /usr/bin/python3)" /result/
    ;;
esac
MAKE
BIND="$(rustc --print sysroot):/rust ${CARGO_HOME:-$HOME/.cargo}:/cargo $result:/result" \
  "$here/in-root.sh" "$root" sh /work/make.sh "$what" "$DEBEMAIL" >&2
