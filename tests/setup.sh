# Sourced by the test scripts, from the root of the clone: where the build and what is fetched lie, and how to install
# what the machine lacks.
# shellcheck shell=bash

cache="${XDG_CACHE_HOME:-$HOME/.cache}/telecine"
# What `cargo run` has built here is used again; a clone without it (CI's) keeps its build outside, for the next clone.
if [ -z "${CARGO_TARGET_DIR:-}" ] && [ -d target ]; then CARGO_TARGET_DIR="$PWD/target"; fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
mkdir -p "$cache" "$CARGO_TARGET_DIR"

say() { printf '\n== %s\n' "$*"; }

# A Debian package to install if the command after it fails: `need postgresql ls /usr/lib/postgresql`.
missing=()
need() {
  local package="$1"
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

install_missing() {
  if [ "${#missing[@]}" = 0 ]; then return; fi
  say "installing ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
      echo "neither root nor sudo: have somebody run  apt-get install ${missing[*]}" >&2
      exit 2
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
  missing=()
}

command -v cargo >/dev/null 2>&1 || { echo "cargo is missing: install Rust 1.94 or later with rustup" >&2; exit 2; }
