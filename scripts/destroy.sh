#!/usr/bin/env bash
# Deletes the stacks of a stage. Models, texts and images stay, unless the stage is disposable.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/npm_packages.sh infra
exec node --import ./infra/node_modules/tsx/dist/loader.mjs infra/deploy/destroy.ts "$@"
