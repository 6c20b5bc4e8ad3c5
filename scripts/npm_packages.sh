#!/usr/bin/env bash
# Installs the npm packages of a folder, exactly those of its lock file, if they are not there:
# npm_packages.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../$1"
# What Vite and the CDK run on.
if ! command -v npm >/dev/null || ! node --eval '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);
' 2>/dev/null; then
    found=$(node --version 2>/dev/null || echo none)
    echo "error: Node.js 20.19, or 22.12 or newer, is needed, with npm; found $found" >&2
    exit 1
fi
# One at a time; a second one waits, then finds everything done.
exec 9<package-lock.json
flock 9
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund
