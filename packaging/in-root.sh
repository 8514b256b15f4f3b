#!/bin/sh
# Runs a command in a directory that holds a system, as root there, and leaves nothing behind. Called by the try-*.sh.
#
#   BIND=/of/this/machine:/in/the/root... packaging/in-root.sh DIRECTORY COMMAND...
#
# Mounts and processes live in namespaces of their own: they are gone when the command has ended, however it ends, so that
# the directory can be deleted without looking.
set -eu
root=$1
shift
export root
# shellcheck disable=SC2016  # the inner shell expands it
exec unshare --mount --pid --fork --kill-child sh -c '
set -eu
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for pair in ${BIND:-}; do
  mkdir -p "$root${pair#*:}"
  mount --bind "${pair%%:*}" "$root${pair#*:}"
done
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 \
  PIP_ROOT_USER_ACTION=ignore ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
  $(env | grep "^CARGO_PROFILE_" || true) chroot "$root" "$@"
' sh "$@"
