#!/usr/bin/env bash
# Tests the page: builds it, and walks through it in Chromium and Firefox, with the real server and a model
# that it trains. CHROMIUM and FIREFOX name other programs than chromium and firefox-esr.
# Needs Node.js 20.19 or newer, and the programs: cargo build --release --bins
set -euo pipefail
cd "$(dirname "$0")/.."
PROGRAMS=$(realpath "${CARGO_TARGET_DIR:-target}")/release
for program in gpt generate; do
    [ -x "$PROGRAMS/$program" ] || { echo "error: there is no $PROGRAMS/$program; cargo build --release --bins" >&2 && exit 1; }
done
scripts/setup.sh --site
scripts/build-site.sh
export PROGRAMS ORT_DYLIB_PATH=$PWD/target/native/onnxruntime/libonnxruntime.so
cd infra/site
node_modules/.bin/vitest run
