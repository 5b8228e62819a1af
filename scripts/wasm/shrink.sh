#!/usr/bin/env bash
# Makes WebAssembly modules small, in place.
#   shrink.sh FILE.wasm…     with the names of their functions still in them
#
# What counts is the size after brotli, and wasm-opt's -Oz makes code that brotli does not like: these passes leave
# more bytes, and bytes that compress better (docs/decisions/0006). Functions are ordered by name so that the
# instances of one generic function stand together.
#
# `hydrate_async` takes over a page whose parts are still to be downloaded. Ours are downloaded first, so it is never
# called (frontend/src/lib.rs), but every type of view has one, and the linker cannot know. What is split has names as
# the compiler wrote them, the rest may have them readable.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

# shellcheck disable=SC2016
node "$here/snip.mjs" 'hydrate_async(::|28_\$u7b\$)(\{\{|\$u7b\$)closure(\}\}|\$u7d\$\$u7d\$)(::h[0-9a-f]{16}|17h[0-9a-f]{16}E)?$' "$@"
for file; do
    "$here/../../node_modules/.bin/wasm-opt" "$file" -o "$file" \
        --enable-bulk-memory --enable-bulk-memory-opt --enable-multivalue --enable-mutable-globals \
        --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext \
        --duplicate-function-elimination --remove-unused-module-elements --dae-optimizing --directize \
        --optimize-instructions --dce --vacuum --remove-unused-brs --remove-unused-names --merge-blocks \
        --duplicate-function-elimination --simplify-locals-nostructure --rse --code-folding \
        --reorder-functions-by-name --strip-debug --strip-producers
done
