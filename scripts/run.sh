#!/usr/bin/env bash
# Builds the release when a source has changed, and serves it.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"

"$ROOT/scripts/build.sh"
# The scripts' own variables are no settings of the server.
exec env -u APIVERSE_CACHE -u APIVERSE_DIST "$DIST/apiverse" serve "$@"
