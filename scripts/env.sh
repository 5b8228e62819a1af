# shellcheck shell=bash
# shellcheck disable=SC2034
# Where things are. Sourced by the other scripts; sets variables and PATH, runs nothing.
#
# APIVERSE_CACHE   tools that are installed once a machine; $HOME/.cache/apiverse
# CARGO_TARGET_DIR with CI set it lies in the cache, so that the clone stays clean and the next run is warm
# DIST             what `make build` leaves

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
APIVERSE_CACHE="${APIVERSE_CACHE:-${HOME:-/tmp}/.cache/apiverse}"
TOOLS="$APIVERSE_CACHE/tools"

if [ -n "${CI:-}" ]; then
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$APIVERSE_CACHE/target}"
    DIST="${APIVERSE_DIST:-$CARGO_TARGET_DIR/dist}"
else
    DIST="${APIVERSE_DIST:-$ROOT/dist}"
fi
TARGET_DIR="${CARGO_TARGET_DIR:-$ROOT/target}"

export PATH="$TOOLS/bin:$ROOT/node_modules/.bin:$PATH"
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1

say() { printf '\033[1m==\033[0m %s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Runs a command as root: as it is, or through sudo where that asks nothing.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}
