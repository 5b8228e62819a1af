#!/usr/bin/env bash
# Builds the release: dist/apiverse, dist/hash.txt and dist/site. Does nothing when no source has changed.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$ROOT"

# Everything that goes into the binary or the site, by content: a fresh clone has new times but may be the same.
sources_hash() {
    {
        rustc --version
        find app frontend server crates migrations style public \
            Cargo.toml Cargo.lock package.json package-lock.json scripts/build.sh scripts/tools.sh scripts/compress.mjs scripts/wasm \
            -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum | cut -d' ' -f1
}

hash="$(sources_hash)"
if [ "$(cat "$DIST/.sources" 2>/dev/null || true)" = "$hash" ] && [ -x "$DIST/apiverse" ] && [ -d "$DIST/site" ]; then
    exit 0
fi

"$ROOT/scripts/tools.sh" build

say "building the release"
tailwind="$(node -p 'require("./node_modules/tailwindcss/package.json").version')"
# With hashed file names the binary must be told of them by hash.txt, which stands next to it.
rm -rf "$TARGET_DIR/site"
LEPTOS_SITE_ROOT="$TARGET_DIR/site" LEPTOS_TAILWIND_VERSION="v$tailwind" \
    cargo-leptos leptos build --release --split ${CI:+--cargo-locked}
# wasm-bindgen's type declarations are for programmers, not for browsers.
find "$TARGET_DIR/site" -name '*.d.*ts' -delete
scripts/wasm/shrink.sh "$TARGET_DIR"/site/pkg/*.wasm
node scripts/compress.mjs "$TARGET_DIR/site"

# A server may be running from there: files are replaced, never written into.
mkdir -p "$DIST"
rm -rf "$DIST/.sources" "$DIST/site.new"
cp -r "$TARGET_DIR/site" "$DIST/site.new"
cp "$TARGET_DIR/release/apiverse" "$DIST/apiverse.new"
cp "$TARGET_DIR/release/hash.txt" "$DIST/hash.txt.new"
mv "$DIST/apiverse.new" "$DIST/apiverse"
mv "$DIST/hash.txt.new" "$DIST/hash.txt"
rm -rf "$DIST/site"
mv "$DIST/site.new" "$DIST/site"
echo "$hash" >"$DIST/.sources"
say "built $DIST"
