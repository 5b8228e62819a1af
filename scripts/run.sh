#!/usr/bin/env bash
# Builds the release when a source has changed, and serves it.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"

"$ROOT/scripts/build.sh"
exec "$DIST/apiverse" serve "$@"
