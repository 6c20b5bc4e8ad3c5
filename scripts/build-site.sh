#!/usr/bin/env bash
# Builds the page into infra/site/dist, if it is not what the sources make already. SOURCE_URL, if it is set, is where
# the page's link to its source code leads.
set -euo pipefail
cd "$(dirname "$0")/../infra/site"

changed=$(find . \( -path ./node_modules -o -path ./dist -o -path ./test \) -prune -o \
    -type f -newer dist/index.html -print -quit 2>/dev/null || echo dist)
told=node_modules/.source-url
[ -f dist/index.html ] && [ -z "$changed" ] && [ "$(cat "$told" 2>/dev/null)" = "${SOURCE_URL:-}" ] && exit
echo "site: building the page"
../../scripts/npm_packages.sh infra/site
npm run --silent build -- --logLevel warn
echo "${SOURCE_URL:-}" >"$told"
