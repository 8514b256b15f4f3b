#!/bin/sh
# Prints the path of the Python interpreter that the module is built against, getting one first if the machine has none.
# Which one it is, and why, goes to standard error in one line (not with --quiet).
#
#   PYTHON=/path/to/python3      take this one, free-threaded or not
#   MOD_WSGI_PREFIX=/some/dir    where what this project installs is kept, see prefix.sh
#
# Order: PYTHON; a python3.14t: on PATH, one that uv knows, one that uv got here before; python3.15t and python3.13t on
# PATH; the 3.13t built here before. Where there is none of these, uv is asked for a 3.14t (it comes from PyPI if it is
# missing); where uv's downloads cannot be reached, a 3.13t is built from Debian's source package, with a shared libpython.
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=$("$here/prefix.sh")
quiet=${1:-}

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

# answer PYTHON REASON: ends the script with this interpreter.
answer() {
  if [ "$quiet" != --quiet ]; then
    say "Python $("$1" -c '
import sys, sysconfig
version = ".".join(map(str, sys.version_info[:3]))
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
old = free and (3, 14) <= sys.version_info < (3, 14, 7)
print(version + ("t" if free else "") + (" (3.14.7 or newer is recommended)" if old else ""))
'): $1, $2"
  fi
  echo "$1"
  exit 0
}

# pick PROGRAM REASON: ends the script with the interpreter if there is such a one and it serves.
pick() {
  candidate=$(command -v "$1" 2>/dev/null) || return 0
  [ -n "$candidate" ] || return 0
  if found=$(embeddable "$candidate" picked) && [ -n "$found" ]; then
    answer "$found" "$2"
  fi
  [ -z "$found" ] || [ "$quiet" = --quiet ] || say "$candidate is not taken: $found"
}

if [ -n "${PYTHON:-}" ]; then
  python=$(command -v "$PYTHON") || { say "PYTHON=$PYTHON: no such program"; exit 1; }
  if ! found=$(embeddable "$python" given) || [ -z "$found" ]; then
    say "PYTHON=$PYTHON: ${found:-it is not a Python that runs}"
    exit 1
  fi
  answer "$found" "named by PYTHON"
fi

# What uv gets as root is not below root's home directory, which is private.
of_uv="$prefix/uv/pythons"
# pick_of_uv REASON: the 3.14t that the program $uv knows of. It downloads nothing.
pick_of_uv() {
  python=$(UV_PYTHON_DOWNLOADS=never "$uv" python find --no-project 3.14t 2>/dev/null || true)
  [ -z "$python" ] || pick "$python" "$1"
}

pick python3.14t "python3.14t is on PATH"
uv=$(command -v uv || true)
[ -z "$uv" ] || pick_of_uv "uv knows a 3.14t"
for python in "$of_uv"/cpython-3.14*/bin/python3.14t; do
  pick "$python" "got by uv before"
done
pick python3.15t "python3.15t is on PATH, and no 3.14t was found"
pick python3.13t "python3.13t is on PATH, and no newer one was found"

built="$prefix/python3.13t"
pick "$built/bin/python3.13t" "built here before, and no python3.14t was found"
pick /opt/mod_wsgi/python3.13t/bin/python3.13t "built here before by root, and no python3.14t was found"

# One at a time: a second checkout waits for the first, and then has its Python too.
mkdir -p "$prefix"
exec 9>"$prefix/python3.13t.lock"
flock 9
for python in "$of_uv"/cpython-3.14*/bin/python3.14t; do
  pick "$python" "got by uv just now"
done
pick "$built/bin/python3.13t" "built just now"

# get_uv: has $uv name a uv, from PyPI into a virtual environment of its own if it is missing.
get_uv() {
  uv=$(command -v uv || true)
  [ -z "$uv" ] || return 0
  uv="$prefix/uv/bin/uv"
  [ ! -x "$uv" ] || return 0
  python3=/usr/bin/python3
  [ -x "$python3" ] || python3=python3
  "$python3" -m venv "$prefix/uv" && timeout 60 "$prefix/uv/bin/python" -m pip install -q --disable-pip-version-check \
    --retries 1 --timeout 10 uv
}

say "asking uv for a free-threaded Python 3.14"
export UV_PYTHON_INSTALL_DIR="$of_uv"
if ! get_uv >/dev/null 2>&1 9>&-; then
  say "no uv on PATH, and PyPI has not given one"
# A server that cannot be reached costs seconds, a slow one may take its time.
elif ! UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=0 timeout 300 "$uv" python install -q --no-bin 3.14t >/dev/null 2>&1 9>&-; then
  say "uv cannot reach its downloads, or has no 3.14t for this machine"
fi
for python in "$of_uv"/cpython-3.14*/bin/python3.14t; do
  pick "$python" "got by uv"
done

log="$prefix/python3.13t-build.log"
say "building a free-threaded Python 3.13 into $built (about 3 minutes on 2 cores; log: $log)"
if ! "$here/build-python.sh" "$built" >"$log" 2>&1 9>&-; then
  tail -n 30 "$log" >&2
  say "the Python build failed; the whole log is $log"
  exit 1
fi
answer "$built/bin/python3.13t" "built from Debian's source: no python3.14t on PATH, and uv could not get one"
