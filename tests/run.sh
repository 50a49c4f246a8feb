#!/usr/bin/env bash
# Passes the tests: installs what the machine lacks, then formatting, clippy, documentation, tests, and a rehearsal whose
# files DuckDB and pyarrow open. Needs Debian and Rust; takes about half an hour the first time on two cores. The optional
# reader connectorx is built and tested by tests/connectorx.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/setup.sh

for part in fmt clippy; do
  cargo "$part" --version >/dev/null 2>&1 || rustup component add "${part/#fmt/rustfmt}"
done

# Debian packages: a PostgreSQL server, a C compiler for the crates that build C, Python's virtual environments, strace.
need postgresql compgen -G '/usr/lib/postgresql/*/bin/postgres'
need build-essential command -v cc
need python3-venv python3 -c 'import ensurepip, venv'
need strace command -v strace
install_missing

# Outside readers of our Parquet and an S3-compatible server, in a virtual environment of our own.
venv="$cache/venv"
requirements=tests/requirements.txt
if ! cmp -s "$requirements" "$venv/installed.txt" || ! "$venv/bin/python" --version >/dev/null 2>&1; then
  say "installing the outside readers"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$venv/installed.txt"
fi
export TELECINE_TEST_PYTHON="$venv/bin/python"

say "formatting"
cargo fmt --all --check

say "clippy"
cargo clippy --locked --all-targets --quiet -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet

say "tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --no-fail-fast
else
  cargo test --locked --no-fail-fast
fi
cargo test --locked --doc --quiet

say "benches run (small)"
cargo bench --locked --profile dev --bench pipeline -- --test

say "the blocks of the README"
"$TELECINE_TEST_PYTHON" tests/readme.py

say "passed"
