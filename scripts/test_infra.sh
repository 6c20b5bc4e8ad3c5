#!/usr/bin/env bash
# Tests the infrastructure: templates, rights, cdk-nag, cfn-lint; then closes the loop on this machine, with
# the stacks deployed to moto and the real programs. Needs Node.js 20.19 or newer, and the programs:
# cargo build --release --bins
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
programs=$(realpath "${CARGO_TARGET_DIR:-target}")/release
for program in gpt generate; do
    [ -x "$programs/$program" ] || { echo "error: there is no $programs/$program; cargo build --release --bins" >&2 && exit 1; }
done
scripts/setup.sh --infra
PATH=$repository/target/infra-venv/bin:$PATH

cd infra
# With the programs, also tests that run them.
PROGRAMS=$programs ORT_DYLIB_PATH=$repository/target/native/onnxruntime/libonnxruntime.so npm test

echo "infra: closing the loop on this machine"
templates=$(mktemp -d)
trap 'rm -rf "$templates"' EXIT
npm run --silent cdk -- synth --quiet --context stage=prod --context email=none --context zip=test/fixtures/function --output "$templates"
python test/local/loop.py "$templates" prod "$programs" "$repository"
