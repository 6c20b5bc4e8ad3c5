#!/usr/bin/env bash
# Builds the page into infra/site/dist, if it is not what the sources make already.
set -euo pipefail
cd "$(dirname "$0")/../infra/site"

node --eval '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);' 2>/dev/null && command -v npm >/dev/null || {
    echo "error: the page needs Node.js 20.19, or 22.12 or newer, with npm; found $(node --version 2>/dev/null || echo none)" >&2
    exit 1
}

changed=$(find . \( -path ./node_modules -o -path ./dist -o -path ./test \) -prune -o \
    -type f -newer dist/index.html -print -quit 2>/dev/null || echo dist)
[ -f dist/index.html ] && [ -z "$changed" ] && exit
echo "site: building the page"
../../scripts/npm_packages.sh infra/site
npm run --silent build -- --logLevel warn
