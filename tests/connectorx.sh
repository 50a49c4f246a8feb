#!/usr/bin/env bash
# Builds and tests the reader connectorx: clippy, documentation and tests with the cargo feature `connectorx`. What does
# not depend on the feature is tested by tests/run.sh. The feature adds some 150 crates and another build of arrow and
# DataFusion (connectorx turns on features of crates below them).
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/setup.sh
# The system's OpenSSL in place of a build of the sources that connectorx would bring.
export OPENSSL_NO_VENDOR=1
need postgresql compgen -G '/usr/lib/postgresql/*/bin/postgres'
need build-essential command -v cc
need pkg-config command -v pkg-config
need libssl-dev pkg-config --exists openssl
install_missing

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
