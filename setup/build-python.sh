#!/bin/sh
# Builds Debian's source package python3.13 free-threaded, with a shared
# libpython, into the directory given as the only argument. Called by python.sh.
#
# Debian has no free-threaded package. The source package is in suite trixie;
# it is fetched with a sources list of its own, in a temporary directory, that
# names the mirror this machine already uses. Nothing of the machine's own apt
# configuration changes.
set -eu
umask 022 # httpd's children read it as another user

target=$1
suite=trixie
package=python3.13

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/source"

debian_mirror() {
  apt-get indextargets --format '$(LABEL) $(COMPONENT) $(REPO_URI)' | sed -n 's/^Debian main //p' | head -n 1
}
mirror=$(debian_mirror)
if [ -z "$mirror" ] && [ "$(id -u)" = 0 ]; then
  # Only lists that were fetched once are shown.
  apt-get -q update
  mirror=$(debian_mirror)
fi
if [ -z "$mirror" ]; then
  echo "no Debian mirror among this machine's apt sources (run 'apt-get update' as root first)"
  exit 1
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
apt_with_own_sources() {
  apt-get \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
apt_with_own_sources update
(cd "$work/source" && apt_with_own_sources source "$package")
cd "$work/source/$package"-*/

# Debian's security fixes stay. Its layout for packages (dist-packages) goes: it leaves the "t" out of
# lib/python3.13t, so that a virtual environment would not look where its packages are.
for layout in sysconfig-debian-schemes.diff distutils-install-layout.diff; do
  patch -R -p1 <"debian/patches/$layout"
done

mkdir build-t
cd build-t
../configure --prefix="$target" --disable-gil --enable-shared --without-ensurepip --disable-test-modules
# The interpreter finds its libpython by itself. (Debian's configure drops an LDFLAGS of its caller, make keeps it.)
rpath="-Wl,-rpath,$target/lib"
make -j"$(nproc)" LDFLAGS="$rpath"
make install DESTDIR="$work/image" LDFLAGS="$rpath"

image="$work/image$target"
check() { LD_LIBRARY_PATH="$image/lib" "$@"; }
check "$image/bin/python3.13t" -c 'import ssl, sqlite3, ctypes, zlib, bz2, lzma'
check "$image/bin/python3.13t" -m venv --without-pip "$work/venv"
check "$work/venv/bin/python" -c 'import sys, sysconfig; site = sysconfig.get_path("purelib"); assert site in sys.path, site'

# The directory appears whole or not at all: a build that was cut off is begun again.
mkdir -p "$(dirname "$target")"
rm -rf "$target.new" "$target.old"
cp -a "$image" "$target.new"
[ ! -e "$target" ] || mv "$target" "$target.old"
mv "$target.new" "$target"
rm -rf "$target.old"
"$target/bin/python3.13t" -c 'import sys; print("built", sys.version)'
