#!/usr/bin/env bash
# Passes the tests: installs what the machine lacks, then formatting, clippy, documentation, tests, and a rehearsal whose
# files DuckDB and pyarrow open. Needs Debian and Rust; takes about half an hour the first time on two cores. The optional
# reader connectorx is built and tested by tests/connectorx.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/telecine"
# What `cargo run` has built here is used again; a clone without it (CI's) keeps its build outside, for the next clone.
if [ -z "${CARGO_TARGET_DIR:-}" ] && [ -d target ]; then CARGO_TARGET_DIR="$PWD/target"; fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
mkdir -p "$cache" "$CARGO_TARGET_DIR"

say() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

command -v cargo >/dev/null 2>&1 || { echo "cargo is missing: install Rust 1.94 or later with rustup" >&2; exit 2; }
for part in fmt clippy; do
  cargo "$part" --version >/dev/null 2>&1 || rustup component add "${part/#fmt/rustfmt}"
done

# Debian packages: a PostgreSQL server, a C compiler for the crates that build C, and Python's virtual environments.
missing=()
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
command -v cc >/dev/null 2>&1 || missing+=(build-essential)
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
  say "installing ${missing[*]}"
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
    echo "neither root nor sudo: have somebody run  apt-get install ${missing[*]}" >&2
    exit 2
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
fi

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
