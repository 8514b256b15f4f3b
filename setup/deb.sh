#!/bin/sh
# Builds the Debian package of the module and prints its path.
#
#   setup/deb.sh /path/to/python3
#
# Debian's own python3 becomes a dependency of the package. Any other Python is built into the package, below
# /usr/lib/mod-wsgi-rs/python: this one is built for that path, and stays on this machine too.
set -eu
umask 022
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/.."
python=$1
inside=/usr/lib/mod-wsgi-rs/python

say() { echo "deb: $*" >&2; }

if ! command -v dh >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || { say "debhelper is missing (apt install debhelper)"; exit 1; }
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends debhelper >&2
fi

if dpkg-query -S "$(realpath "$python")" >/dev/null 2>&1; then
  depends=
  home=
  text="This package uses the $("$python" -c 'import sys; print("Python %d.%d" % sys.version_info[:2])') of Debian."
else
  if [ ! -x "$inside/bin/python3.13t" ]; then
    say "building a free-threaded Python into $inside (about 3 minutes on 2 cores)"
    log=$(mktemp)
    "$here/build-python.sh" "$inside" >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
    rm -f "$log"
  fi
  python="$inside/bin/python3.13t"
  depends=", libssl3 | libssl3t64, libsqlite3-0, libffi8, zlib1g, libbz2-1.0, liblzma5, libreadline8 | libreadline8t64, libuuid1, media-types, ca-certificates"
  home="
WSGIPythonHome $inside"
  text="A free-threaded Python 3.13 is part of this package (/usr/lib/mod-wsgi-rs/python)."
fi

module=$("$here/build.sh" "$python")
work="$PWD/target/deb"
rm -rf "$work"
source="$work/libapache2-mod-wsgi-rs"
stage="$source/stage"
mkdir -p "$stage/usr/lib/apache2/modules" "$stage/usr/sbin" "$stage/usr/share/doc/libapache2-mod-wsgi-rs"
cp -r packaging/debian "$source/debian"
cp "$module" "$stage/usr/lib/apache2/modules/mod_wsgi.so"
cp "$(dirname "$module")/wsgictl" "$stage/usr/sbin/wsgictl"
cp apache-conf/mod_wsgi.conf README.md docs/*.md CHANGELOG.md "$stage/usr/share/doc/libapache2-mod-wsgi-rs/"
if [ -n "$home" ]; then
  mkdir -p "$stage$(dirname "$inside")"
  cp -a "$inside" "$stage$inside"
  find "$stage$inside" -name __pycache__ -prune -exec rm -rf {} +
  rm -rf "$stage$inside/include" "$stage$inside/share" "$stage$inside"/lib/*.a "$stage$inside"/lib/python*/config-*
  find "$stage$inside" -type f \( -name '*.so' -o -name '*.so.*' -o -path '*/bin/python3*' \) -exec sh -c \
    'for file; do strip --strip-unneeded "$file" 2>/dev/null || true; done' sh {} +
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
maintainer=${DEBEMAIL:-$(git log -1 --format='%an <%ae>')}
fill() { DEPENDS=$depends HOME_LINE=$home TEXT=$text MAINTAINER=$maintainer "$python" -c '
import os, sys
text = sys.stdin.read()
for mark, name in [("@depends@", "DEPENDS"), ("@home@", "HOME_LINE"), ("@python@", "TEXT"), ("@maintainer@", "MAINTAINER")]:
    text = text.replace(mark, os.environ[name])
sys.stdout.write(text)
'; }
for name in control wsgi.conf; do
  fill <"$source/debian/$name.in" >"$source/debian/$name"
  rm "$source/debian/$name.in"
done
cat >"$source/debian/changelog" <<CHANGELOG
libapache2-mod-wsgi-rs ($version-1) unstable; urgency=medium

  * See changelog.gz for what changes for operators.

 -- $maintainer  $(date -R)
CHANGELOG

(cd "$source" && dpkg-buildpackage -b -us -uc -d >"$work/build.log" 2>&1) || { tail -n 30 "$work/build.log" >&2; exit 1; }
ls "$work"/libapache2-mod-wsgi-rs_*.deb
