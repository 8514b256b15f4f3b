#!/bin/sh
# Prints the path of the Python interpreter that the module is built against,
# building one first if the machine has none.
#
#   PYTHON=/path/to/python3      take this one, free-threaded or not
#   MOD_WSGI_PREFIX=/some/dir    where what this project installs is kept, see prefix.sh
#
# Order: PYTHON; python3.14t, python3.15t, python3.13t on PATH; the one built earlier; one
# that uv knows or can get; else Debian's source package python3.13, configured
# free-threaded with a shared libpython.
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=$("$here/prefix.sh")

say() { echo "setup: $*" >&2; }

# Prints the interpreter behind a name (PATH may lead to a launcher, a tool's shim) if the module can be built against
# it, else the reason why it cannot. As root, httpd's children are another user, who has to read the Python as well:
# one that is picked for you is not in a private directory.
embeddable() {
  "$1" - "$2" <<'PY' 2>/dev/null
import os, sys, sysconfig

def refuse(reason):
    print(reason)
    sys.exit(1)

def private_directory():
    directory = os.path.realpath(sys.base_prefix)
    while directory != "/":
        if not os.stat(directory).st_mode & 0o001:
            return directory
        directory = os.path.dirname(directory)

if sys.version_info < (3, 11):
    refuse("Python %d.%d is too old, 3.11 is the least" % sys.version_info[:2])
if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
    refuse("it has no shared libpython")
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    refuse("it has no Python.h (a development package is missing?)")
if sys.argv[1] == "picked":
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        refuse("it is not free-threaded")
    if os.getuid() == 0 and private_directory():
        refuse("other users cannot read " + private_directory())
print(sys.executable)
PY
}

# Ends the script with the interpreter's path if there is such a one and it serves.
pick() {
  candidate=$(command -v "$1" 2>/dev/null) || return 0
  [ -n "$candidate" ] || return 0
  if answer=$(embeddable "$candidate" picked) && [ -n "$answer" ]; then
    echo "$answer"
    exit 0
  fi
}

if [ -n "${PYTHON:-}" ]; then
  python=$(command -v "$PYTHON") || { say "PYTHON=$PYTHON: no such program"; exit 1; }
  if ! answer=$(embeddable "$python" given) || [ -z "$answer" ]; then
    say "PYTHON=$PYTHON: ${answer:-it is not a Python that runs}"
    exit 1
  fi
  echo "$answer"
  exit 0
fi

built="$prefix/python3.13t"
pick python3.14t
pick python3.15t
pick python3.13t
pick "$built/bin/python3.13t"
pick /opt/mod_wsgi/python3.13t/bin/python3.13t # root has made setup

pick_of_uv() {
  python=$(UV_PYTHON_DOWNLOADS=never uv python find --no-project "$1" 2>/dev/null || true)
  [ -z "$python" ] || pick "$python"
}
if command -v uv >/dev/null 2>&1; then
  # uv's own place for Pythons is below the home directory, which is private for root.
  [ "$(id -u)" != 0 ] || export UV_PYTHON_INSTALL_DIR="$prefix/uv"
  pick_of_uv 3.14t
  pick_of_uv 3.13t
  for version in 3.14t 3.13t; do
    say "asking uv for Python $version"
    uv python install -q "$version" >/dev/null 2>&1 || true
    pick_of_uv "$version"
  done
fi

# One build at a time: a second checkout waits for the first, and then has it too.
mkdir -p "$prefix"
exec 9>"$prefix/python3.13t.lock"
flock 9
pick "$built/bin/python3.13t"

log="$prefix/python3.13t-build.log"
say "building a free-threaded Python 3.13 into $built (about 3 minutes on 2 cores; log: $log)"
if ! "$here/build-python.sh" "$built" >"$log" 2>&1 9>&-; then
  tail -n 30 "$log" >&2
  say "the Python build failed; the whole log is $log"
  exit 1
fi
echo "$built/bin/python3.13t"
