#!/bin/sh
# Says what is missing of the Rust toolchain. It is the one thing that setup
# does not install: which toolchain a machine has is its owner's choice.
set -eu

if ! command -v cargo >/dev/null 2>&1; then
  echo "setup: no cargo on PATH; install a Rust toolchain first (rustup, or your distribution's packages)" >&2
  exit 1
fi
