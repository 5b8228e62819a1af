#!/usr/bin/env bash
# Runs the browser tests, or takes the screenshots, against the release build.
#   e2e.sh test [playwright's arguments]
#   e2e.sh screens
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$ROOT"

export APIVERSE_BIN="${APIVERSE_BIN:-$DIST/apiverse}" APIVERSE_SITE_ROOT="${APIVERSE_SITE_ROOT:-$DIST/site}"
[ -x "$APIVERSE_BIN" ] || die "$APIVERSE_BIN is not there; run make build"
case "${1:-test}" in
test) exec playwright test -c end2end "${@:2}" ;;
screens) exec playwright test -c end2end/screens.config.ts ;;
*) die "usage: e2e.sh test|screens" ;;
esac
