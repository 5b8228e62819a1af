#!/usr/bin/env bash
# package-lock.json names versions and hashes, never where a registry happened to be.
set -euo pipefail
cd "$(dirname "$0")/.."

if grep -n '"resolved"' package-lock.json; then
    echo "error: package-lock.json holds download addresses; .npmrc's omit-lockfile-registry-resolved keeps them out" >&2
    exit 1
fi
