#!/bin/sh
# Installs the Debian packages that building, serving and testing need.
# Quick when all are there. `apache2-bin` and not `apache2`: no service is
# configured or started on this machine.
set -eu

PACKAGES="
  apache2-bin apache2-dev libapache2-mod-xsendfile libapache2-mod-security2
  build-essential pkg-config dpkg-dev libclang-dev
  libssl-dev libffi-dev zlib1g-dev libbz2-dev liblzma-dev libsqlite3-dev libreadline-dev uuid-dev
  python3-dev python3-venv python3-pip
  ca-certificates curl haproxy wrk nghttp2-client strace
"

say() { echo "setup: $*" >&2; }

if ! command -v dpkg-query >/dev/null 2>&1; then
  say "not a Debian system, nothing is installed; see setup/packages.sh for what is needed"
  exit 0
fi

# shellcheck disable=SC2086  # a list of words
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $PACKAGES 2>/dev/null | sed -n 's/^installed //p' || true)
missing=
for package in $PACKAGES; do
  printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  say "missing Debian packages:$missing"
  say "run 'make setup' once as root, or install them yourself"
  exit 1
fi

say "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >&2
# shellcheck disable=SC2086  # a list of words
apt-get -qq install -y --no-install-recommends $missing >&2
