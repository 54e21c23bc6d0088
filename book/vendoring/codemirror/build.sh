#!/bin/sh
# Makes book/_static/vendor/codemirror anew: one script, and the licences of what is in it.
# Needs npm, and asks it for the versions that package.json names. `make` never calls this.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../../_static/vendor/codemirror
work=$(mktemp -d)
cp "$here/package.json" "$here/entry.js" "$work"
cd "$work"
npm install --no-package-lock --no-audit --no-fund --ignore-scripts
mkdir -p "$target"
npx esbuild entry.js --bundle --minify --charset=utf8 --target=es2020 --legal-comments=none \
    --outfile="$target/codemirror.js"
for licence in node_modules/@codemirror/*/LICENSE node_modules/@lezer/*/LICENSE \
    node_modules/@marijn/*/LICENSE node_modules/crelt/LICENSE node_modules/style-mod/LICENSE \
    node_modules/w3c-keyname/LICENSE; do
    printf '%s\n\n' "${licence#node_modules/}"
    cat "$licence"
    printf '\n'
done > "$target/LICENSE"
rm -r "$work"
