#!/usr/bin/env bash
# Measures APIverse, nginx and HAProxy side by side. `make bench` calls it; --help prints the usage.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/../scripts/env.sh"

build=yes
tools=yes
previous=
for argument in "$@"; do
    case "$previous$argument" in
    -h | --help) build=no tools=no ;;
    --binary*) build=no ;;
    --peers=*apiverse*) ;;
    --peers=?*) build=no ;;
    esac
    previous=
    if [ "$argument" = --peers ]; then previous=--peers=; fi
done

APT_UPDATED=
# $1 package, $2 the program it brings
debian_package() {
    command -v "$2" >/dev/null && return
    say "installing $1"
    command -v apt-get >/dev/null || die "$2 is missing; install it with this system's package manager"
    if [ -z "$APT_UPDATED" ]; then
        as_root apt-get update -qq || die "$2 is missing and only root can install it: apt-get install $1"
        APT_UPDATED=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# Debian keeps nginx and haproxy where an ordinary user's PATH does not look.
export PATH="$PATH:/usr/sbin"
command -v python3 >/dev/null || die "python3 is missing"
if [ "$tools" = yes ]; then
    debian_package nginx-light nginx
    debian_package haproxy haproxy
    debian_package wrk wrk
fi
if [ "$build" = yes ]; then "$ROOT/scripts/build.sh"; fi
if [ "$tools" = yes ]; then
    cargo build --quiet --release --locked --manifest-path "$ROOT/bench/bare/Cargo.toml" --target-dir "$TARGET_DIR/bare"
fi

export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$ROOT/bench"
exec python3 -m harness --root "$ROOT" --dist "$DIST" --bare "$TARGET_DIR/bare/release/bare" "$@"
