#!/usr/bin/env bash
# Builds and tests the reader connectorx: clippy, documentation and tests with the cargo feature `connectorx`. What does
# not depend on the feature is tested by tests/run.sh. The feature adds some 150 crates and another build of arrow and
# DataFusion (connectorx turns on features of crates below them).
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/telecine"
if [ -z "${CARGO_TARGET_DIR:-}" ] && [ -d target ]; then CARGO_TARGET_DIR="$PWD/target"; fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
# The system's OpenSSL in place of a build of the sources that connectorx would bring.
export OPENSSL_NO_VENDOR=1
mkdir -p "$CARGO_TARGET_DIR"

say() { printf '\n== %s\n' "$*"; }

missing=()
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
command -v cc >/dev/null 2>&1 || missing+=(build-essential)
command -v pkg-config >/dev/null 2>&1 || missing+=(pkg-config)
pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
if [ "${#missing[@]}" -gt 0 ]; then
  say "installing ${missing[*]}"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
      echo "neither root nor sudo: have somebody run  apt-get install ${missing[*]}" >&2
      exit 2
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
fi

say "clippy, with connectorx"
cargo clippy --locked --all-targets --features connectorx --quiet -- -D warnings

say "documentation, with connectorx"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --features connectorx --document-private-items --quiet

say "tests of the reader connectorx"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --features connectorx --no-fail-fast -E 'test(/connectorx|conformance|arrays/)'
else
  cargo test --locked --features connectorx --no-fail-fast --lib -- connectorx arrays
  cargo test --locked --features connectorx --no-fail-fast --test it -- connectorx conformance
fi

say "passed, with connectorx"
