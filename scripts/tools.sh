#!/usr/bin/env bash
# Installs what is missing and skips what is there.
#   tools.sh build   the wasm target, npm packages, cargo-leptos, wasm-bindgen
#   tools.sh test    also nextest, clippy, rustfmt, Chromium, PostgreSQL, Redis, promtool
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$ROOT"

CARGO_LEPTOS=0.3.10

wasm_target() {
    local libs
    libs="$(rustc --print target-libdir --target wasm32-unknown-unknown)"
    [ -d "$libs" ] && return
    command -v rustup >/dev/null || die "the target wasm32-unknown-unknown is missing, and there is no rustup to add it"
    say "adding the target wasm32-unknown-unknown"
    rustup target add wasm32-unknown-unknown
}

# $1 component, $2 the program it brings
rust_component() {
    cargo "$2" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null || die "cargo $2 is missing, and there is no rustup to add it"
    say "adding the component $1"
    rustup component add "$1"
}

# cargo install with the cache as its root and a build folder that goes away.
# Unoptimised: the tools run for seconds, optimising them takes minutes.
cargo_install() {
    CARGO_PROFILE_DEV_DEBUG=0 env -u CARGO_TARGET_DIR cargo install --debug --force --root "$TOOLS" "$@"
}

cargo_leptos() {
    [ "$(cargo-leptos --version 2>/dev/null || true)" = "cargo-leptos $CARGO_LEPTOS" ] && return
    say "installing cargo-leptos $CARGO_LEPTOS"
    # Its helpers come from npm and Cargo.lock, so that their versions are ours.
    cargo_install cargo-leptos --locked --version "$CARGO_LEPTOS" --features no_downloads
}

# wasm-bindgen's output and its library must be of exactly one version.
wasm_bindgen() {
    local version
    version="$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print; exit }' Cargo.lock)"
    [ -n "$version" ] || die "Cargo.lock names no wasm-bindgen"
    [ "$(wasm-bindgen --version 2>/dev/null || true)" = "wasm-bindgen $version" ] && return
    say "installing wasm-bindgen-cli $version"
    # Its lock file can name a version that a registry's mirror does not have yet.
    cargo_install wasm-bindgen-cli --locked --version "$version" ||
        cargo_install wasm-bindgen-cli --version "$version"
}

# node_modules lies in the clone; with CI set in the cache, by the lock file's hash, with a link in the clone.
npm_packages() {
    local hash
    hash="$(cat package.json package-lock.json | sha256sum | cut -c1-16)"
    [ "$(cat node_modules/.apiverse 2>/dev/null || true)" = "$hash" ] && return
    if [ -n "${CI:-}" ] && [ ! -d node_modules ]; then
        local folder="$APIVERSE_CACHE/npm/$hash"
        if [ "$(cat "$folder/node_modules/.apiverse" 2>/dev/null || true)" != "$hash" ]; then
            say "installing npm packages"
            mkdir -p "$folder"
            cp package.json package-lock.json .npmrc "$folder/"
            (cd "$folder" && npm ci --loglevel=error)
            echo "$hash" >"$folder/node_modules/.apiverse"
        fi
        ln -sfn "$folder/node_modules" node_modules
        return
    fi
    say "installing npm packages"
    npm ci --loglevel=error
    echo "$hash" >node_modules/.apiverse
}

nextest() {
    cargo nextest --version >/dev/null 2>&1 && return
    say "installing cargo-nextest"
    cargo_install cargo-nextest --locked
}

# Real servers for the gateway's tests, written by others.
python_packages() {
    local python="$APIVERSE_CACHE/python" wanted='httpbin==0.10.2 waitress==3.0.2 grpcio==1.85.1 opentelemetry-proto==1.45.2'
    [ "$(cat "$python/.apiverse" 2>/dev/null || true)" = "$wanted" ] && return
    say "installing $wanted"
    python3 -m venv "$python"
    # shellcheck disable=SC2086
    "$python/bin/pip" install --quiet --disable-pip-version-check $wanted
    echo "$wanted" >"$python/.apiverse"
}

APT_UPDATED=
# $1 package, $2 how to know that it is there
debian_package() {
    eval "$2" >/dev/null 2>&1 && return
    say "installing $1"
    command -v apt-get >/dev/null || die "$1 is missing; install it with this system's package manager"
    if [ -z "$APT_UPDATED" ]; then
        as_root apt-get update -qq || die "$1 is missing and only root can install it: apt-get install $1"
        APT_UPDATED=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# Prometheus' own check of metrics and rules. Only the tool: the package would start a server.
prometheus_tool() {
    command -v promtool >/dev/null && return
    say "installing promtool"
    command -v apt-get >/dev/null || die "promtool is missing; it comes with Prometheus"
    if [ -z "$APT_UPDATED" ]; then
        as_root apt-get update -qq || die "promtool is missing; it comes with Prometheus: apt-get install prometheus"
        APT_UPDATED=yes
    fi
    local folder
    folder="$(mktemp -d)"
    (cd "$folder" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .)
    mkdir -p "$TOOLS/bin"
    install -m 755 "$folder/usr/bin/promtool" "$TOOLS/bin/promtool"
    rm -rf "$folder"
}

case "${1:-}" in
build | test)
    command -v cargo >/dev/null || die "cargo is missing; install Rust 1.95 or newer"
    command -v npm >/dev/null || die "npm is missing; install Node.js 20 or newer"
    wasm_target
    npm_packages
    cargo_leptos
    wasm_bindgen
    ;;
*) die "usage: tools.sh build|test" ;;
esac

if [ "$1" = test ]; then
    rust_component rustfmt fmt
    rust_component clippy clippy
    nextest
    debian_package redis-server 'command -v redis-server'
    debian_package postgresql 'command -v initdb || ls /usr/lib/postgresql/*/bin/initdb'
    debian_package chromium 'command -v chromium'
    prometheus_tool
    python_packages
fi
