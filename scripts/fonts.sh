#!/usr/bin/env bash
# Refreshes public/fonts from the npm packages in package.json. Run after raising their versions.
set -euo pipefail
cd "$(dirname "$0")/.."

from=node_modules/@fontsource-variable
cp "$from/inter/files/inter-latin-wght-normal.woff2" public/fonts/inter-latin.woff2
cp "$from/inter/files/inter-latin-ext-wght-normal.woff2" public/fonts/inter-latin-ext.woff2
cp "$from/inter/LICENSE" public/fonts/OFL-Inter.txt
cp "$from/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2" public/fonts/jetbrains-mono-latin.woff2
cp "$from/jetbrains-mono/LICENSE" public/fonts/OFL-JetBrainsMono.txt
