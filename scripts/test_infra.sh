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
command -v npm >/dev/null || { echo "error: npm is missing; install Node.js 20.19 or newer" >&2 && exit 1; }
scripts/setup.sh

venv=target/infra-venv
ready=$venv/.ready-$(sha256sum scripts/requirements-infra.txt | cut -c1-12)
if [ ! -f "$ready" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement scripts/requirements-infra.txt
    touch "$ready"
fi
PATH=$repository/$venv/bin:$PATH

cd infra
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
npm test

echo "infra: closing the loop on this machine"
templates=$(mktemp -d)
trap 'rm -rf "$templates"' EXIT
npm run --silent cdk -- synth --quiet --context stage=prod --context zip=test/fixtures/function --output "$templates"
python test/local/loop.py "$templates" prod "$programs" "$repository"
