#!/bin/sh
# What building needs, installed where it is missing. Quick when all is there.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
"$here/packages.sh"
"$here/rust.sh"
"$here/python.sh" >/dev/null
