#!/usr/bin/env bash
# Runs every check: formatting, lints, licences, all tests. Sets itself up first.
# CORPUS_DIR, relative to this checkout or absolute, names a folder with the-verdict.txt to train
# on; without it the tests use the project's own story.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --tests
export GPT_CACHE=$PWD/target/test-cache

echo "test: formatting"
cargo fmt --check
if cargo deny --version >/dev/null 2>&1; then
    echo "test: licences"
    cargo deny --log-level error check bans licenses sources
else
    echo "test: licences not checked; to check them: cargo install cargo-deny"
fi

# clippy-driver is the compiler with clippy's lints: one build, optimised as what is shipped, instead of a check and
# a build. Training in debug mode would take minutes.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver

# Before the tests, which build the same programs with the features of their servers.
echo "test: the demo, and its second run"
scripts/demo.sh --preset tiny --once --port 0 | grep "tokens in"
scripts/demo.sh --preset tiny --once --port 0 | grep "using the model"

echo "test: build and lints"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo build --quiet --release --workspace --all-targets --locked 2>&1 | tee "$log"
! grep -q "^warning" "$log" || { echo "error: there are warnings; they are errors here" >&2 && exit 1; }
echo "test: programs and libraries"
status=0
cargo test --quiet --release --workspace --locked --no-fail-fast --lib --bins --tests 2>&1 | tee "$log" || status=$?
echo "test: infrastructure"
scripts/test_infra.sh
echo "test: page"
scripts/test_site.sh

# cargo prints a line for each test binary; this sums them up.
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
exit "$status"
