#!/usr/bin/env bash
# Installs the npm packages of a folder, exactly those of its lock file, if they are not there:
# npm_packages.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../$1"
command -v npm >/dev/null || { echo "error: npm is missing; install Node.js 20.19 or newer" >&2 && exit 1; }
# One at a time; a second one waits, then finds everything done.
exec 9<package-lock.json
flock 9
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund
