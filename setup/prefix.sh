#!/bin/sh
# Prints the directory, outside of any checkout, that keeps what is slow to make:
# the Python built from source and the virtual environments of tests and examples.
# As root it must be readable by the user that httpd's children run as.
set -eu
if [ -n "${MOD_WSGI_PREFIX:-}" ]; then
  case $MOD_WSGI_PREFIX in
    /*) echo "$MOD_WSGI_PREFIX" ;;
    *) echo "setup: MOD_WSGI_PREFIX=$MOD_WSGI_PREFIX: not an absolute path" >&2; exit 1 ;;
  esac
elif [ "$(id -u)" = 0 ]; then
  echo /opt/mod_wsgi
else
  echo "${XDG_DATA_HOME:-$HOME/.local/share}/mod_wsgi"
fi
