#!/bin/sh
# Makes a fresh Debian below a directory, with the named packages and nothing of this project. Called by the try-*.sh.
#
#   packaging/root.sh SUITE DIRECTORY package,package...
#
# Needs root and mmdebstrap. The packages come from where this machine's own do; the names of no other place are kept here.
set -eu
suite=$1
root=$2
packages=$3

mirror=$(apt-get indextargets --format '$(LABEL) $(COMPONENT) $(REPO_URI)' | sed -n 's/^Debian main //p' | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror among this machine's apt sources (run 'apt-get update' first)" >&2; exit 1; }
mmdebstrap --quiet --variant=apt --include="ca-certificates,$packages" "$suite" "$root" "$mirror"
# The network as this machine has it: names, and the certificates that it trusts.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
